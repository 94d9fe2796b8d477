//! The names in an open directory.

use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{openat, Mode, OFlags, RawDir};

const BUFFER: usize = 32 * 1024;

pub fn open(directory: impl AsFd, name: &CStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(directory, name, flags, Mode::empty())
}

/// In the directory's own order, without `.` and `..`.
pub fn each_name(directory: impl AsFd, mut take: impl FnMut(&CStr)) -> rustix::io::Result<()> {
    let mut buffer = [MaybeUninit::uninit(); BUFFER];
    let mut entries = RawDir::new(directory, &mut buffer);
    while let Some(entry) = entries.next() {
        match entry?.file_name() {
            name if name.to_bytes() == b"." || name.to_bytes() == b".." => {}
            name => take(name),
        }
    }
    Ok(())
}

pub fn sorted_names(directory: impl AsFd) -> rustix::io::Result<Vec<CString>> {
    let mut names = Vec::new();
    each_name(directory, |name| names.push(name.to_owned()))?;
    names.sort_unstable();
    Ok(names)
}
