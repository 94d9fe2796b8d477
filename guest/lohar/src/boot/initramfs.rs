//! Giving the initramfs's memory back once nothing is read from it any more.

use std::fs::File;
use std::os::fd::AsFd;

use rustix::fs::{unlinkat, AtFlags, Dir, FileType, Mode, OFlags};

/// Removes everything below `root` that is on its own file system. A program that runs keeps its own file.
pub fn free(root: &File) {
    if let Ok(stat) = rustix::fs::fstat(root) {
        empty(root, stat.st_dev);
    }
}

fn empty(directory: impl AsFd, device: u64) {
    let directory = directory.as_fd();
    let Ok(entries) = Dir::read_from(directory) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let flags = if entry.file_type() == FileType::Directory {
            let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let Ok(inner) = rustix::fs::openat(directory, name, flags, Mode::empty()) else {
                continue;
            };
            if !rustix::fs::fstat(&inner).is_ok_and(|stat| stat.st_dev == device) {
                continue;
            }
            empty(&inner, device);
            AtFlags::REMOVEDIR
        } else {
            AtFlags::empty()
        };
        let _ = unlinkat(directory, name, flags);
    }
}
