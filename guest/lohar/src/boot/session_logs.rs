//! The folder of the sessions' logs. It belongs to root, who writes there: every step into it is one that no user can
//! lead elsewhere.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{fchmod, fchown, mkdirat, openat, unlinkat, AtFlags, Gid, Mode, OFlags, Uid, CWD};
use rustix::io::Errno;

pub const PATH: &str = "/var/log/lohar/sessions";

const PARENT: &str = "/var/log";
const FOLDERS: [&str; 2] = ["lohar", "sessions"];

/// Creates missing directories and corrects owners.
pub fn open() -> io::Result<OwnedFd> {
    std::fs::create_dir_all(PARENT)?;
    open_below(Path::new(PARENT), true)
}

fn open_below(parent: &Path, as_root: bool) -> io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    let mut directory = openat(CWD, parent, flags, Mode::empty())?;
    let mode = Mode::from_raw_mode(0o755);
    for name in FOLDERS {
        let enter = || openat(&directory, name, flags | OFlags::NOFOLLOW, Mode::empty());
        let next = match enter() {
            Ok(next) => next,
            Err(error) => {
                // A link or a file in its place, by which a user could choose where root writes.
                if matches!(error, Errno::LOOP | Errno::NOTDIR) {
                    unlinkat(&directory, name, AtFlags::empty())?;
                }
                mkdirat(&directory, name, mode)?;
                enter()?
            }
        };
        if as_root {
            fchown(&next, Some(Uid::ROOT), Some(Gid::ROOT))?;
            fchmod(&next, mode)?;
        }
        directory = next;
    }
    Ok(directory)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_in_the_place_of_a_folder_is_replaced() {
        let root = std::env::temp_dir().join(format!("lohar-folder-{}", std::process::id()));
        let elsewhere = root.join("elsewhere");
        fs::create_dir_all(&elsewhere).unwrap();
        fs::create_dir_all(root.join("lohar")).unwrap();
        symlink(&elsewhere, root.join("lohar/sessions")).unwrap();
        let folder = open_below(&root, false).unwrap();
        mkdirat(&folder, "here", Mode::RWXU).unwrap();
        assert!(root.join("lohar/sessions/here").is_dir());
        assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
        assert!(open_below(&root, false).is_ok());
        fs::remove_dir_all(&root).unwrap();
    }
}
