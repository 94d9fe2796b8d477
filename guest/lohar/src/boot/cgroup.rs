//! The cgroup of all user processes: what is frozen before the VM is saved, and what tells of memory kills.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

const ROOT: &str = "/sys/fs/cgroup";

pub struct Cgroup {
    directory: OwnedFd,
    freeze: OwnedFd,
    events: OwnedFd,
    cpu: Option<OwnedFd>,
    memory_events: Option<OwnedFd>,
    pub own: OwnCgroup,
}

/// The cgroup of lohar itself. Both files stay open, as root may unmount their file systems.
pub struct OwnCgroup {
    /// `/proc/self/cgroup`.
    membership: OwnedFd,
    /// `cgroup.procs` of the root cgroup.
    root: OwnedFd,
}

/// Without it processes run, but cannot be frozen.
pub fn prepare() -> Option<Cgroup> {
    // A kernel without the controller still has the freezer.
    if let Err(error) = fs::write(format!("{ROOT}/cgroup.subtree_control"), "+memory") {
        crate::log::warn(&format!("no memory controller: {error}"));
    }
    let made = open();
    if let Err(error) = &made {
        crate::log::warn(&format!("no cgroup for user processes: {error}"));
    }
    made.ok()
}

fn open() -> std::io::Result<Cgroup> {
    let path = format!("{ROOT}/user");
    match rustix::fs::mkdir(&path, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(&path, flags, Mode::empty())?;
    let file =
        |name, flags| rustix::fs::openat(&directory, name, flags | OFlags::CLOEXEC, Mode::empty());
    Ok(Cgroup {
        own: OwnCgroup {
            membership: fs::File::open("/proc/self/cgroup")?.into(),
            root: fs::File::create(format!("{ROOT}/cgroup.procs"))?.into(),
        },
        freeze: file("cgroup.freeze", OFlags::WRONLY)?,
        events: file("cgroup.events", OFlags::RDONLY)?,
        cpu: file("cpu.stat", OFlags::RDONLY).ok(),
        memory_events: file("memory.events", OFlags::RDONLY).ok(),
        directory,
    })
}

impl Cgroup {
    pub fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    pub fn set_frozen(&self, frozen: bool) -> rustix::io::Result<()> {
        let word: &[u8] = if frozen { b"1" } else { b"0" };
        rustix::io::pwrite(&self.freeze, word, 0).map(drop)
    }

    pub fn is_frozen(&self) -> bool {
        number_after(&self.events, "frozen ") == Some(1)
    }

    /// What all processes have used so far, those that have ended included.
    pub fn cpu_us(&self) -> u64 {
        self.cpu
            .as_ref()
            .and_then(|cpu| number_after(cpu, "usage_usec "))
            .unwrap_or(0)
    }

    pub fn oom_kills(&self) -> u64 {
        self.memory_events
            .as_ref()
            .and_then(|events| number_after(events, "oom_kill "))
            .unwrap_or(0)
    }
}

impl OwnCgroup {
    /// Moves lohar to the root cgroup, the only one that cannot be frozen, if root in the guest has moved it elsewhere: in
    /// the cgroup of user processes it would freeze itself.
    pub fn leave_for_root(&self) -> rustix::io::Result<()> {
        let mut buffer = [0; 4096];
        let count = rustix::io::pread(&self.membership, &mut buffer, 0)?;
        // Every fork in the guest waits for a move, so only a necessary one is made.
        let mut lines = buffer[..count].split(|&byte| byte == b'\n');
        if lines.any(|line| line == b"0::/") {
            return Ok(());
        }
        rustix::io::pwrite(&self.root, b"0", 0).map(drop)
    }
}

/// The number in the line that starts with `name`.
fn number_after(file: &OwnedFd, name: &str) -> Option<u64> {
    let mut buffer = [0; 256];
    let count = rustix::io::pread(file, &mut buffer, 0).ok()?;
    let text = std::str::from_utf8(&buffer[..count]).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file_of(text: &str) -> OwnedFd {
        let (read, write) = (Mode::RUSR, Mode::WUSR);
        let path = std::env::temp_dir();
        let file = rustix::fs::open(&path, OFlags::TMPFILE | OFlags::RDWR, read | write).unwrap();
        rustix::io::write(&file, text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn finds_the_number_again_and_again() {
        let file = file_of("usage_usec 123456789012\nuser_usec 7\nsystem_usec 0\n");
        for _ in 0..2 {
            assert_eq!(number_after(&file, "usage_usec "), Some(123_456_789_012));
        }
        assert_eq!(number_after(&file, "user_usec "), Some(7));
        assert_eq!(number_after(&file, "nice_usec "), None);
    }

    #[test]
    fn lohar_leaves_every_cgroup_but_the_root() {
        for (membership, written) in [
            ("0::/\n", ""),
            ("1:freezer:/\n0::/\n", ""),
            ("0::/user\n", "0"),
            ("0::/user/a\n", "0"),
            ("1:freezer:/\n0::/user\n", "0"),
        ] {
            let own = OwnCgroup {
                membership: file_of(membership),
                root: file_of(""),
            };
            own.leave_for_root().unwrap();
            let mut buffer = [0; 8];
            let count = rustix::io::pread(&own.root, &mut buffer, 0).unwrap();
            assert_eq!(buffer[..count], *written.as_bytes(), "{membership}");
        }
    }

    #[test]
    fn a_cgroup_that_lohar_cannot_leave_is_an_error() {
        let own = OwnCgroup {
            membership: file_of("0::/user\n"),
            root: fs::File::open("/dev/null").unwrap().into(),
        };
        assert_eq!(own.leave_for_root().unwrap_err(), Errno::BADF);
    }
}
