//! Pseudo-terminals.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::pty::OpenptFlags;
use rustix::termios::{InputModes, OptionalActions, Winsize};

use crate::protocol::messages::Size;

/// Opens both ends; the process's one belongs to `owner`, so that it may be opened by name.
pub fn open(size: Size, owner: Option<u32>) -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let ours = rustix::fs::open("/dev/ptmx", flags, Mode::empty())?;
    rustix::pty::unlockpt(&ours)?;
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let theirs = rustix::pty::ioctl_tiocgptpeer(&ours, flags)?;
    if let Some(owner) = owner {
        rustix::fs::fchown(&theirs, Some(rustix::fs::Uid::from_raw(owner)), None)?;
    }
    // Erasing a character must erase all of its bytes.
    let mut modes = rustix::termios::tcgetattr(&theirs)?;
    modes.input_modes |= InputModes::IUTF8;
    rustix::termios::tcsetattr(&theirs, OptionalActions::Now, &modes)?;
    resize(ours.as_fd(), size)?;
    Ok((ours, theirs))
}

pub fn resize(terminal: BorrowedFd<'_>, size: Size) -> rustix::io::Result<()> {
    let size = Winsize {
        ws_row: size.rows,
        ws_col: size.cols,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    rustix::termios::tcsetwinsize(terminal, size)
}

pub fn size(terminal: BorrowedFd<'_>) -> Option<Size> {
    let size = rustix::termios::tcgetwinsize(terminal).ok()?;
    Some(Size {
        rows: size.ws_row,
        cols: size.ws_col,
    })
}

pub fn foreground_group(terminal: BorrowedFd<'_>) -> Option<i32> {
    let mut group: libc::pid_t = 0;
    // SAFETY: writes one pid_t.
    let outcome = unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCGPGRP, &mut group) };
    (outcome == 0 && group > 0).then_some(group)
}

/// Kills every process of the terminal session that `leader` started, in whatever group it is.
pub fn kill_session(leader: i32) {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return;
    };
    for entry in entries.flatten() {
        let pid = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<i32>().ok());
        let Some(pid) = pid else { continue };
        // SAFETY: getsid and kill touch no memory.
        unsafe {
            if libc::getsid(pid) == leader {
                libc::kill(pid, libc::SIGKILL);
            }
        }
    }
}
