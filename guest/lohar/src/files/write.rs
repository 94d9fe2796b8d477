//! `write`: to a temporary name beside the path, which then takes its place. A pipe that ends without the word to go
//! ahead means that the old file stays.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{
    fallocate, fchmod, fchown, fsync, renameat, unlinkat, AtFlags, FallocateFlags, Gid, Mode, Uid,
};
use rustix::io::Errno;
use rustix::pipe::{splice, SpliceFlags};
use serde::Serialize;

use super::place::{is_directory, Lacking, Last, Owner, Place, Trust};
use super::put;
use super::read::read_some;
use super::refusal::{Explain, Refusal};
use crate::protocol::messages::Failure;

pub const GO_AHEAD: u8 = b'\n';

const PIECE: usize = 64 * 1024;
/// Less than this is copied, which takes fewer steps than passing pages on.
const SMALL: u64 = 16 * 1024;

/// What is to be there in the end.
pub struct Wanted {
    pub size: u64,
    pub mode: u32,
    /// Whose what is made shall be; the writing user's without it. A file that exists keeps its own.
    pub owner: Option<Owner>,
}

#[derive(Serialize)]
pub struct Written {
    size: u64,
}

pub fn write(
    path: &Path,
    wanted: &Wanted,
    trust: Trust,
    content: &OwnedFd,
) -> Result<Written, Failure> {
    put(path, wanted, trust, content).explain("write", path)?;
    Ok(Written { size: wanted.size })
}

fn put(path: &Path, wanted: &Wanted, trust: Trust, content: &OwnedFd) -> Result<(), Refusal> {
    let owner = wanted.owner;
    let place = Place::find_or_make(path, trust, Last::Target, Some(Lacking { owner }))?;
    let old = match place.stat() {
        Ok(stat) if is_directory(&stat) => return Err(Errno::ISDIR.into()),
        Ok(stat) => Some(Owner {
            uid: stat.st_uid,
            gid: stat.st_gid,
        }),
        Err(Errno::NOENT) => None,
        Err(error) => return Err(error.into()),
    };
    let owner = wanted.owner.map(|new| old.unwrap_or(new));
    let mode = Mode::from_raw_mode(0o600);
    let (temporary, file) = put::create_beside(&place.directory, &place.name, mode)?;
    let outcome = fill(&file, wanted, owner, content).and_then(|()| {
        Ok(renameat(
            &place.directory,
            &temporary,
            &place.directory,
            &place.name,
        )?)
    });
    if outcome.is_err() {
        let _ = unlinkat(&place.directory, &temporary, AtFlags::empty());
    }
    outcome
}

fn fill(
    file: &OwnedFd,
    wanted: &Wanted,
    owner: Option<Owner>,
    content: &OwnedFd,
) -> Result<(), Refusal> {
    reserve(file, wanted.size)?;
    let mut left = wanted.size;
    if left >= SMALL {
        left = pass_on(content, file, left)?;
    }
    copy(content, file, left)?;
    let mut word = [0];
    if read_some(content, &mut word)? == 0 || word[0] != GO_AHEAD {
        return Err(given_up());
    }
    // Before its mode, as a new owner takes the set-user-id bit away.
    if let Some(Owner { uid, gid }) = owner {
        fchown(file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    }
    fchmod(file, Mode::from_raw_mode(wanted.mode))?;
    fsync(file)?;
    Ok(())
}

/// An early "no space" instead of a late one. A file system that cannot reserve is no reason to fail.
fn reserve(file: &OwnedFd, size: u64) -> rustix::io::Result<()> {
    if size == 0 {
        return Ok(());
    }
    let size = size.min(i64::MAX as u64);
    match fallocate(file, FallocateFlags::empty(), 0, size) {
        Err(error @ (Errno::NOSPC | Errno::FBIG | Errno::DQUOT)) => Err(error),
        _ => Ok(()),
    }
}

/// From the pipe into the file without a detour. Returns how much is left where the file system cannot do that.
fn pass_on(content: &OwnedFd, file: &OwnedFd, bytes: u64) -> Result<u64, Refusal> {
    let mut left = bytes;
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(1 << 30);
        match splice(content, None, file, None, most, SpliceFlags::MOVE) {
            Ok(0) => return Err(given_up()),
            Ok(count) => left -= count as u64,
            Err(Errno::INTR) => {}
            Err(Errno::INVAL | Errno::OPNOTSUPP) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(left)
}

fn copy(content: &OwnedFd, file: &OwnedFd, bytes: u64) -> Result<(), Refusal> {
    let mut left = bytes;
    let mut buffer = vec![0; PIECE.min(usize::try_from(left).unwrap_or(PIECE))];
    while left > 0 {
        let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let count = read_some(content, &mut buffer[..most])?;
        if count == 0 {
            return Err(given_up());
        }
        write_all(file, &buffer[..count])?;
        left -= count as u64;
    }
    Ok(())
}

fn given_up() -> Refusal {
    Refusal::Rule("io_error", "It was given up")
}

pub fn write_all(file: &OwnedFd, mut bytes: &[u8]) -> rustix::io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(file, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{symlink, MetadataExt};

    use super::*;
    use crate::files::scratch::Scratch;

    /// Without root's rights only one's own files can be given away, to oneself.
    fn somebody() -> Owner {
        let gid = rustix::process::getgid().as_raw();
        match rustix::process::getuid().as_raw() {
            0 => Owner {
                uid: 1000,
                gid: 1001,
            },
            uid => Owner { uid, gid },
        }
    }

    fn owner_of(path: &Path) -> Owner {
        let data = fs::symlink_metadata(path).unwrap();
        Owner {
            uid: data.uid(),
            gid: data.gid(),
        }
    }

    fn put_text(path: &Path, text: &str, mode: u32, owner: Option<Owner>) -> bool {
        let (content, sink) = rustix::pipe::pipe().unwrap();
        write_all(&sink, text.as_bytes()).unwrap();
        drop(sink);
        let size = 4;
        let wanted = Wanted { size, mode, owner };
        write(path, &wanted, Trust::All, &content).is_ok()
    }

    #[test]
    fn what_is_made_gets_the_owner_and_what_exists_keeps_its_own() {
        let root = Scratch::new("owner");
        let own = owner_of(root.path());
        let file = root.join("made/too/file");

        assert!(put_text(&file, "text\n", 0o4750, Some(somebody())));
        for path in [&file, &root.join("made/too"), &root.join("made")] {
            assert_eq!(owner_of(path), somebody(), "{}", path.display());
        }
        assert_eq!(owner_of(root.path()), own);
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o4750);

        assert!(put_text(&root.join("mine"), "text\n", 0o644, None));
        assert!(put_text(
            &root.join("mine"),
            "text\n",
            0o644,
            Some(somebody())
        ));
        assert_eq!(owner_of(&root.join("mine")), own);
        // Whoever writes without naming an owner asks for himself.
        assert!(put_text(&file, "text\n", 0o644, None));
        assert_eq!(owner_of(&file), own);
    }

    #[test]
    fn what_a_link_leads_to_keeps_its_owner() {
        let root = Scratch::new("link");
        let own = owner_of(root.path());
        assert!(put_text(&root.join("file"), "text\n", 0o644, None));
        symlink("file", root.join("link")).unwrap();
        assert!(put_text(
            &root.join("link"),
            "text\n",
            0o600,
            Some(somebody())
        ));
        assert!(root.join("link").is_symlink());
        assert_eq!(owner_of(&root.join("file")), own);
        let mode = fs::metadata(root.join("file")).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn without_the_word_the_old_file_stays() {
        let root = Scratch::new("word");
        fs::write(root.join("file"), "old").unwrap();
        for text in ["", "tex", "text", "textx"] {
            assert!(!put_text(&root.join("file"), text, 0o644, None), "{text}");
            assert_eq!(fs::read_to_string(root.join("file")).unwrap(), "old");
            assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
        }
    }
}
