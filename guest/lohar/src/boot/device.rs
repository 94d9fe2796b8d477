//! Block devices and the ext4 file systems on them.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::mount::MountFlags;

const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(5);
const SUPERBLOCK: u64 = 1024;

// `_IOR(0x12, 114, size_t)` of linux/fs.h and `_IOW('f', 16, __u64)` of fs/ext4/ext4.h.
const BLKGETSIZE64: libc::c_ulong = 0x8008_1272;
const EXT4_IOC_RESIZE_FS: libc::c_ulong = 0x4008_6610;

/// Mounts an ext4. A restored VM hears of another disk in the place of the one it was saved with only some time after
/// it runs: a device that is missing, or smaller than its file system, gets two seconds.
pub fn mount(device: &str, target: &str, flags: MountFlags, options: &CStr) -> io::Result<()> {
    let mount = || rustix::mount::mount(device, target, "ext4", flags, options);
    let Err(error) = mount() else {
        return Ok(());
    };
    if is_complete(device) {
        return Err(error.into());
    }
    let until = Instant::now() + PATIENCE;
    while !is_complete(device) && Instant::now() < until {
        sleep(PAUSE);
    }
    Ok(mount()?)
}

fn is_complete(path: &str) -> bool {
    let measure = || -> io::Result<bool> {
        let device = File::open(path)?;
        let mut superblock = [0; 1024];
        let have = size(&device)?;
        if have < SUPERBLOCK * 2 {
            return Ok(false);
        }
        device.read_exact_at(&mut superblock, SUPERBLOCK)?;
        Ok(file_system_size(&superblock).map_or(true, |needed| have >= needed))
    };
    measure().unwrap_or(false)
}

/// In bytes; nothing when this is no ext4.
fn file_system_size(superblock: &[u8; 1024]) -> Option<u64> {
    let word = |at: usize| {
        let bytes = superblock.get(at..at + 4)?;
        Some(u64::from(u32::from_le_bytes(bytes.try_into().ok()?)))
    };
    if superblock[56..58] != [0x53, 0xef] {
        return None;
    }
    let is_64_bit = word(96)? & 0x80 != 0;
    let high = if is_64_bit { word(336)? } else { 0 };
    let block_size = 1024u64.checked_shl(word(24)? as u32)?;
    (high << 32 | word(4)?).checked_mul(block_size)
}

fn size(device: &File) -> io::Result<u64> {
    let mut size = 0u64;
    // SAFETY: writes one u64.
    if unsafe { libc::ioctl(device.as_raw_fd(), BLKGETSIZE64, &mut size) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(size)
}

/// Grows a mounted ext4 to its device.
pub fn grow(device: &str, mounted_at: &str) -> io::Result<()> {
    let size = size(&File::open(device)?)?;
    let block_size = rustix::fs::statvfs(mounted_at)?.f_bsize;
    let blocks: u64 = size / block_size.max(1);
    let directory = File::open(mounted_at)?;
    // SAFETY: reads one u64.
    if unsafe { libc::ioctl(directory.as_raw_fd(), EXT4_IOC_RESIZE_FS, &blocks) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_size_of_a_file_system() {
        let mut superblock = [0; 1024];
        assert_eq!(file_system_size(&superblock), None);
        superblock[56..58].copy_from_slice(&[0x53, 0xef]);
        superblock[4..8].copy_from_slice(&25_600u32.to_le_bytes());
        superblock[24] = 2;
        superblock[336] = 1;
        assert_eq!(file_system_size(&superblock), Some(25_600 * 4096));
        superblock[96] = 0x80;
        assert_eq!(
            file_system_size(&superblock),
            Some((25_600 + (1 << 32)) * 4096)
        );
        superblock[24..28].copy_from_slice(&[255; 4]);
        assert_eq!(file_system_size(&superblock), None);
    }
}
