//! Giving the initramfs's memory back once nothing is read from it any more.

use std::fs::{self, File};
use std::os::fd::AsFd;

use rustix::fs::{unlinkat, AtFlags, Dir, FileType, Mode, OFlags};

/// What a boot has read, lohar's own file too: a program that runs keeps it.
pub fn free_files() {
    let _ = fs::remove_dir_all("/modules");
    let _ = fs::remove_file("/init");
}

/// Removes everything below `root` that is on its own file system.
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
