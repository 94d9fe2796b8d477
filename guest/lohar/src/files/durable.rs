//! Makes changes of names durable: what the host has an answer for is there after a loss of power.

use std::io::Error;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{fstat, fstatfs, fsync, open, openat, syncfs, Mode, OFlags};
use rustix::io::Errno;

use super::place::Place;

const EXT4: rustix::fs::FsWord = 0xef53;
const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// Writes out a new file's content, so that the name that it gets is never durable before it. The sync of that name's
/// directory completes it: in ext4, one commit of the journal instead of two.
pub fn content(file: &OwnedFd) -> rustix::io::Result<()> {
    if fstatfs(file)?.f_type != EXT4 {
        return fsync(file);
    }
    let all = libc::SYNC_FILE_RANGE_WAIT_BEFORE
        | libc::SYNC_FILE_RANGE_WRITE
        | libc::SYNC_FILE_RANGE_WAIT_AFTER;
    // SAFETY: a plain system call on a descriptor that outlives it.
    match unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, all) } {
        0 => Ok(()),
        _ => Err(Errno::from_io_error(&Error::last_os_error()).unwrap_or(Errno::IO)),
    }
}

/// Syncs the directory that the place's name is in, and those above it whose names are new.
pub fn place(place: &Place) -> rustix::io::Result<()> {
    directory(&place.directory)?;
    let mut above = None;
    for _ in 0..place.made {
        let below = above.as_ref().unwrap_or(&place.directory);
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = openat(below, c"..", flags, Mode::empty())?;
        directory(&opened)?;
        above = Some(opened);
    }
    Ok(())
}

pub fn directory(directory: impl AsFd) -> rustix::io::Result<()> {
    let synced = match openat(directory, c".", DIRECTORY, Mode::empty()) {
        Ok(opened) => fsync(opened),
        // The user may change names in a directory that it may not read: that is mostly in the root's file system.
        Err(_) => open(c"/", DIRECTORY, Mode::empty()).and_then(syncfs),
    };
    match synced {
        // A file system without a disk may have nothing to sync.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::ROFS) => Ok(()),
        outcome => outcome,
    }
}

/// The file systems that something was changed in, which are synced once: much cheaper than each of many files.
#[derive(Default)]
pub struct FileSystems(Vec<(u64, OwnedFd)>);

impl FileSystems {
    pub fn add(&mut self, directory: &OwnedFd) -> rustix::io::Result<()> {
        let device = fstat(directory)?.st_dev;
        if self.0.iter().all(|(known, _)| *known != device) {
            let opened = openat(directory, c".", DIRECTORY, Mode::empty());
            let opened = opened.or_else(|_| open(c"/", DIRECTORY, Mode::empty()))?;
            self.0.push((device, opened));
        }
        Ok(())
    }

    pub fn sync(&self) -> rustix::io::Result<()> {
        self.0.iter().try_for_each(|(_, opened)| syncfs(opened))
    }
}
