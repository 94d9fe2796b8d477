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
    memory_events: Option<OwnedFd>,
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

fn open() -> rustix::io::Result<Cgroup> {
    let path = format!("{ROOT}/user");
    match rustix::fs::mkdir(&path, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error),
    }
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(&path, flags, Mode::empty())?;
    let file =
        |name, flags| rustix::fs::openat(&directory, name, flags | OFlags::CLOEXEC, Mode::empty());
    Ok(Cgroup {
        freeze: file("cgroup.freeze", OFlags::WRONLY)?,
        events: file("cgroup.events", OFlags::RDONLY)?,
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

    pub fn oom_kills(&self) -> u64 {
        self.memory_events
            .as_ref()
            .and_then(|events| number_after(events, "oom_kill "))
            .unwrap_or(0)
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
