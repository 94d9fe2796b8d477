//! Copies a file with holes over one that exists, by reference where the file system can. The target is never shorter
//! than it was: a hypervisor may have mapped it already, and would die of touching what is not there.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::process::ExitCode;

use rustix::fs::ioctl_ficlone;

use crate::files::holes::{Extent, Extents};

const PIECE: usize = 1024 * 1024;

pub fn main(from: &str, to: &str) -> ExitCode {
    match copy(from, to) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lohar: cannot copy '{from}' to '{to}': {error}");
            ExitCode::FAILURE
        }
    }
}

fn copy(from: &str, to: &str) -> io::Result<()> {
    let source = File::open(from)?;
    let target = OpenOptions::new().write(true).open(to)?;
    if ioctl_ficlone(&target, &source).is_ok() {
        return Ok(());
    }
    let size = source.metadata()?.len();
    if target.metadata()?.len() < size {
        target.set_len(size)?;
    }
    let mut buffer = vec![0; PIECE];
    for extent in Extents::new(&source, size) {
        let Extent { offset, length } = extent?;
        copy_range(&source, &target, offset, offset + length, &mut buffer)?;
    }
    Ok(())
}

fn copy_range(
    source: &File,
    target: &File,
    start: u64,
    end: u64,
    buffer: &mut [u8],
) -> io::Result<()> {
    let mut at = start;
    while at < end {
        let wanted = usize::try_from(end - at).map_or(buffer.len(), |left| left.min(buffer.len()));
        let read = source.read_at(&mut buffer[..wanted], at)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        target.write_all_at(&buffer[..read], at)?;
        at += read as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn holes_stay_holes() {
        let directory = std::env::temp_dir().join(format!("lohar-copy-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = |name: &str| directory.join(name).to_str().unwrap().to_owned();
        let source = File::create(path("from")).unwrap();
        source.set_len(64 << 20).unwrap();
        source.write_all_at(b"first", 0).unwrap();
        source.write_all_at(&[7; 3 << 20], 10 << 20).unwrap();
        File::create(path("to")).unwrap();
        copy(&path("from"), &path("to")).unwrap();
        assert!(std::fs::read(path("from")).unwrap() == std::fs::read(path("to")).unwrap());
        let used = std::fs::metadata(path("to")).unwrap().blocks() * 512;
        assert!(used < 8 << 20, "{used} bytes are used");
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_target_that_is_not_there_is_not_made() {
        assert!(copy("/dev/null", "/nowhere/file").is_err());
    }
}
