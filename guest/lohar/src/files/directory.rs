//! The names in an open directory.

use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{openat, statat, AtFlags, FileType, Mode, OFlags, RawDir, RawDirEntry};

use super::place::is_directory;

const BUFFER: usize = 32 * 1024;

pub fn open(directory: impl AsFd, name: &CStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(directory, name, flags, Mode::empty())
}

/// In the directory's own order, without `.` and `..`.
pub fn each_name(directory: impl AsFd, mut take: impl FnMut(&CStr)) -> rustix::io::Result<()> {
    each_raw(directory, |_, entry| take(entry.file_name()))
}

/// With whether it is a directory.
pub fn each_entry(
    directory: impl AsFd,
    mut take: impl FnMut(&CStr, bool),
) -> rustix::io::Result<()> {
    each_raw(directory, |directory, entry| {
        let name = entry.file_name();
        let is_directory = match entry.file_type() {
            FileType::Unknown => statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
                .is_ok_and(|stat| is_directory(&stat)),
            kind => kind == FileType::Directory,
        };
        take(name, is_directory);
    })
}

fn each_raw(
    directory: impl AsFd,
    mut take: impl FnMut(BorrowedFd<'_>, &RawDirEntry<'_>),
) -> rustix::io::Result<()> {
    let directory = directory.as_fd();
    let mut buffer = [MaybeUninit::uninit(); BUFFER];
    let mut entries = RawDir::new(directory, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            take(directory, &entry);
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
