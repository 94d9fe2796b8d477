//! What is done to a process from outside: signals, and the size of its terminal.

use std::os::fd::AsFd;

use super::process::Process;
use super::terminal;
use crate::protocol::messages::Size;
use crate::reactor::wires::Wires;

impl Process {
    /// A signal that the host asks for.
    pub fn signal(&self, signal: i32) {
        let Some(pid) = self.pid.filter(|_| self.exit.is_none()) else {
            return;
        };
        let foreground = self
            .terminal
            .as_ref()
            .and_then(|terminal| terminal::foreground_group(terminal.as_fd()));
        signal_group(foreground.unwrap_or(pid), signal);
    }

    /// Sends a signal that does not come from the stream in control. It also reaches the leader, so that a shell is
    /// signalled while it runs a command.
    pub fn signal_widely(&self, signal: i32) {
        match (signal, self.pid) {
            (libc::SIGKILL, _) => self.kill(),
            (_, Some(pid)) => {
                let terminal = self.terminal.as_ref();
                let foreground = terminal.and_then(|terminal| {
                    terminal::foreground_group(terminal.as_fd()).filter(|&group| group != pid)
                });
                if let Some(foreground) = foreground {
                    signal_group(foreground, signal);
                }
                signal_group(pid, signal);
            }
            _ => {}
        }
    }

    /// Reaches what it left behind as well.
    pub fn signal_group(&self, signal: i32) {
        if let Some(pid) = self.pid {
            signal_group(pid, signal);
        }
    }

    /// Kills its whole group, and with a terminal every group of its session.
    pub fn kill(&self) {
        self.signal_group(libc::SIGKILL);
        if let Some(pid) = self.pid.filter(|_| self.tty) {
            terminal::kill_session(pid);
        }
    }

    pub fn size(&self) -> Option<Size> {
        let terminal = self.terminal.as_ref()?;
        terminal::size(terminal.as_fd())
    }

    pub fn resize(&mut self, size: Size, wires: &mut Wires) {
        if let Some(terminal) = &self.terminal {
            // A terminal that has gone cannot be resized; its end is told anyway.
            let _ = terminal::resize(terminal.as_fd(), size);
        }
        self.tell_size(wires);
    }

    /// What comes then is meant for a terminal of this size.
    pub fn tell_size(&mut self, wires: &mut Wires) {
        let shared = self.shared.as_ref();
        if !shared.is_some_and(|shared| shared.tells_sizes()) {
            return;
        }
        if let (Some(size), Some(shared)) = (self.size(), &mut self.shared) {
            shared.tell_size(size, wires);
        }
    }
}

fn signal_group(group: i32, signal: i32) {
    // 0 and 1 would mean our own group and all processes.
    if group > 1 {
        // SAFETY: touches no memory.
        unsafe { libc::kill(-group, signal) };
    }
}
