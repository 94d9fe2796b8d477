//! A process of its own for each file that is written: it *is* the user, so the kernel checks every step, and its
//! waiting for the disk holds nobody up. It takes the content from a pipe, and one more byte as the word to go ahead;
//! a pipe that ends without it means that the old file stays. Its exit code is an errno.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{fchown, lchown, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::accounts::Identity;

pub const GO_AHEAD: u8 = b'\n';
/// The exit code of a write that was given up; no errno.
pub const ABANDONED: i32 = 200;

const PIPE: i32 = 3;
const PIECE: usize = 64 * 1024;

/// What is to be there in the end.
pub struct Order<'a> {
    pub path: &'a Path,
    pub size: u64,
    pub mode: u32,
    /// Whose what is made shall be; the writing user's without it. A file that exists keeps its own.
    pub owner: Option<Owner>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    uid: u32,
    gid: u32,
}

impl Owner {
    pub fn of(identity: &Identity) -> Self {
        Owner {
            uid: identity.uid,
            gid: identity.gid,
        }
    }
}

/// Forks the worker; returns its pid.
pub fn start(content: OwnedFd, order: &Order<'_>, identity: &Identity) -> io::Result<i32> {
    // SAFETY: we have a single thread, so the child may do whatever the parent may.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            let code = match work(&content, order, identity) {
                Ok(true) => 0,
                Ok(false) => ABANDONED,
                Err(error) => error.raw_os_error().unwrap_or(libc::EIO),
            };
            // SAFETY: ends the child without running what the parent has registered for its own end.
            unsafe { libc::_exit(code) }
        }
        pid => Ok(pid),
    }
}

fn work(content: &OwnedFd, order: &Order<'_>, identity: &Identity) -> io::Result<bool> {
    let mut content = keep_only(content)?;
    if identity.switch {
        become_user(identity)?;
    }
    write(&mut content, order)
}

fn write(content: &mut impl Read, order: &Order<'_>) -> io::Result<bool> {
    let path = destination(order.path)?;
    if let Some(parent) = path.parent() {
        make_directories(parent, order.owner)?;
    }
    let owner = order.owner.map(|new| owner_of(&path).unwrap_or(new));
    let temporary = temporary_name(&path)?;
    let outcome = write_beside(content, &temporary, order, owner).and_then(|whole| {
        if whole {
            fs::rename(&temporary, &path).map(|()| true)
        } else {
            Ok(false)
        }
    });
    if !matches!(outcome, Ok(true)) {
        let _ = fs::remove_file(&temporary);
    }
    outcome
}

fn owner_of(path: &Path) -> Option<Owner> {
    let data = fs::symlink_metadata(path).ok()?;
    Some(Owner {
        uid: data.uid(),
        gid: data.gid(),
    })
}

/// Only those that it makes get the owner.
fn make_directories(directory: &Path, owner: Option<Owner>) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    if let Some(parent) = directory.parent() {
        make_directories(parent, owner)?;
    }
    match (fs::create_dir(directory), owner) {
        (Ok(()), Some(Owner { uid, gid })) => lchown(directory, Some(uid), Some(gid)),
        // Another worker was faster.
        (Err(_), _) if directory.is_dir() => Ok(()),
        (outcome, _) => outcome,
    }
}

/// Inherited ends of other processes' pipes would keep those open.
fn keep_only(content: &OwnedFd) -> io::Result<File> {
    // SAFETY: descriptor 3 is ours from here on, and none above it is used again.
    unsafe {
        if libc::dup2(content.as_raw_fd(), PIPE) < 0 {
            return Err(io::Error::last_os_error());
        }
        libc::syscall(libc::SYS_close_range, PIPE + 1, u32::MAX, 0);
        Ok(File::from_raw_fd(PIPE))
    }
}

fn become_user(identity: &Identity) -> io::Result<()> {
    // SAFETY: plain system calls on values that outlive them.
    let refused = unsafe {
        libc::setgroups(identity.groups.len(), identity.groups.as_ptr()) != 0
            || libc::setgid(identity.gid) != 0
            || libc::setuid(identity.uid) != 0
    };
    if refused {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// What a symbolic link leads to is written, and the link stays.
fn destination(path: &Path) -> io::Result<PathBuf> {
    match fs::symlink_metadata(path) {
        Ok(data) if data.is_symlink() => fs::canonicalize(path).and_then(|path| destination(&path)),
        Ok(data) if data.is_dir() => Err(io::Error::from_raw_os_error(libc::EISDIR)),
        Ok(_) => Ok(path.to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path.to_owned()),
        Err(error) => Err(error),
    }
}

fn temporary_name(path: &Path) -> io::Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::from_raw_os_error(libc::EISDIR))?;
    let name = name.to_string_lossy();
    let start: String = name.chars().take(50).collect();
    let name = format!(".{start}.{}.bhatti-tmp", std::process::id());
    Ok(path.with_file_name(name))
}

fn write_beside(
    content: &mut impl Read,
    temporary: &Path,
    order: &Order<'_>,
    owner: Option<Owner>,
) -> io::Result<bool> {
    let size = order.size;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(temporary)?;
    if size > 0 {
        // An early "no space" instead of a late one. A file system that cannot reserve is no reason to fail.
        let length = i64::try_from(size).unwrap_or(i64::MAX);
        // SAFETY: touches no memory.
        let refused = unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, length) } != 0;
        let error = io::Error::last_os_error();
        if refused
            && matches!(
                error.raw_os_error(),
                Some(libc::ENOSPC | libc::EFBIG | libc::EDQUOT)
            )
        {
            return Err(error);
        }
    }
    let mut buffer = vec![0; PIECE];
    let mut left = size;
    while left > 0 {
        let most = left.min(PIECE as u64) as usize;
        let count = content.read(&mut buffer[..most])?;
        if count == 0 {
            return Ok(false);
        }
        file.write_all(&buffer[..count])?;
        left -= count as u64;
    }
    let mut word = [0];
    if content.read(&mut word)? == 0 || word[0] != GO_AHEAD {
        return Ok(false);
    }
    // Before its mode, as a new owner takes the set-user-id bit away.
    if let Some(Owner { uid, gid }) = owner {
        fchown(&file, Some(uid), Some(gid))?;
    }
    file.set_permissions(Permissions::from_mode(order.mode))?;
    file.sync_all()?;
    Ok(true)
}

/// A path as the system calls take it.
pub fn is_possible(path: &str) -> bool {
    !path.is_empty() && CString::new(path).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn put(path: &Path, mode: u32, owner: Option<Owner>) -> io::Result<bool> {
        let order = Order {
            path,
            size: 4,
            mode,
            owner,
        };
        write(&mut &b"text\n"[..], &order)
    }

    #[test]
    fn what_is_made_gets_the_owner_and_what_exists_keeps_its_own() {
        let root = std::env::temp_dir().join(format!("lohar-owner-{}", std::process::id()));
        fs::create_dir(&root).unwrap();
        let own = owner_of(&root);
        let file = root.join("made/too/file");

        assert!(put(&file, 0o4750, Some(somebody())).unwrap());
        for path in [&file, &root.join("made/too"), &root.join("made")] {
            assert_eq!(owner_of(path), Some(somebody()), "{}", path.display());
        }
        assert_eq!(owner_of(&root), own);
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o4750);

        assert!(put(&root.join("mine"), 0o644, None).unwrap());
        assert!(put(&root.join("mine"), 0o644, Some(somebody())).unwrap());
        assert_eq!(owner_of(&root.join("mine")), own);
        // Whoever writes without naming an owner asks for himself.
        assert!(put(&file, 0o644, None).unwrap());
        assert_eq!(owner_of(&file), own);
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn what_a_link_leads_to_keeps_its_owner() {
        let root = std::env::temp_dir().join(format!("lohar-link-{}", std::process::id()));
        fs::create_dir(&root).unwrap();
        let own = owner_of(&root);
        assert!(put(&root.join("file"), 0o644, None).unwrap());
        std::os::unix::fs::symlink("file", root.join("link")).unwrap();
        assert!(put(&root.join("link"), 0o600, Some(somebody())).unwrap());
        assert!(root.join("link").is_symlink());
        assert_eq!(owner_of(&root.join("file")), own);
        assert_eq!(
            fs::metadata(root.join("file")).unwrap().mode() & 0o777,
            0o600
        );
        fs::remove_dir_all(&root).unwrap();
    }
}
