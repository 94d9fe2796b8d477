//! One process and all that belongs to it, from its start to its result.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use super::credit::Credit;
use super::ended::Exit;
use super::input::Input;
use super::output::{Output, Read, MOST_HELD};
use super::terminal;
use crate::protocol::messages::{OpenExec, ProcessInfo};
use crate::reactor::wires::Wires;

/// How long grandchildren that keep the output open may be silent before the result is sent without them.
pub const SILENCE: u64 = 100_000_000;
/// Bytes of a command line.
const ARGV_TOLD: usize = 1024;

pub struct Process {
    pub session: String,
    pub argv: Vec<String>,
    pub tty: bool,
    pub started_unix_ms: u64,
    pub pid: Option<i32>,
    /// Who is told; nobody after CLOSE, a new connection, or the result.
    pub stream: Option<u32>,
    /// What is to be started once the guest is thawed.
    pub waiting: Option<Box<OpenExec>>,
    pub input: Input,
    pub outputs: [Option<Output>; 2],
    pub terminal: Option<Rc<OwnedFd>>,
    pub credit: Credit,
    pub exit: Option<Exit>,
    pub timed_out: bool,
    pub deadline: Option<u64>,
    pub silence: Option<u64>,
    /// The silence has passed; unless a last look finds something, all is told.
    pub was_silent: bool,
    /// The cgroup's count when it started.
    pub oom_kills: u64,
    pub log: Option<Log>,
    /// Whether it stands in the queue of those whose output is to be read.
    pub queued: bool,
}

/// A file that takes the first bytes of an output.
pub struct Log {
    pub file: File,
    pub left: usize,
}

impl Process {
    pub fn new(session: String, stream: Option<u32>, open: OpenExec) -> Self {
        Process {
            session,
            argv: shortened(&open.argv),
            tty: open.tty.is_some(),
            started_unix_ms: 0,
            pid: None,
            stream,
            waiting: Some(Box::new(open)),
            input: Input::default(),
            outputs: [None, None],
            terminal: None,
            credit: Credit::default(),
            exit: None,
            timed_out: false,
            deadline: None,
            silence: None,
            was_silent: false,
            oom_kills: 0,
            log: None,
            queued: false,
        }
    }

    pub fn info(&self) -> ProcessInfo {
        ProcessInfo {
            session: self.session.clone(),
            pid: self.pid.unwrap_or(0),
            argv: self.argv.clone(),
            tty: self.tty,
            started_unix_ms: self.started_unix_ms,
            running: self.exit.is_none(),
            exit_code: self.exit.map(Exit::code),
        }
    }

    pub fn is_running(&self) -> bool {
        self.pid.is_some() && self.exit.is_none()
    }

    /// Something can be read, and whoever takes it has credit left.
    pub fn has_output(&self) -> bool {
        (self.stream.is_none() || self.credit.left() > 0)
            && self.outputs.iter().flatten().any(Output::is_due)
    }

    /// The process has ended and its time is over: of its outputs only what they hold now is told, however slow the
    /// reader. Without this bound, grandchildren that never fall silent would keep the result back for ever.
    pub fn last_call(&mut self) {
        for output in self.outputs.iter_mut().flatten() {
            output.owed.get_or_insert(MOST_HELD);
        }
    }

    /// Reads every output again before it is called empty: its event may not have been told yet, as many come at once
    /// on a busy guest.
    pub fn look_again(&mut self) {
        for output in self.outputs.iter_mut().flatten() {
            output.ready = true;
        }
    }

    /// Reads one piece from each output that has any; false when nothing moved.
    pub fn pump(&mut self, wires: &mut Wires, scratch: &mut [u8]) -> bool {
        let mut moved = false;
        for slot in &mut self.outputs {
            let Some(output) = slot.as_mut().filter(|output| output.is_due()) else {
                continue;
            };
            let read = match self.stream {
                Some(stream) => {
                    if self.credit.left() == 0 || !wires.outgoing.has_room() {
                        continue;
                    }
                    let read = output.send(&mut wires.outgoing, stream, self.credit.left());
                    if let Read::Bytes(count) = read {
                        self.credit.spend(count);
                    }
                    read
                }
                None => {
                    let read = output.read(scratch);
                    if let (Read::Bytes(count), Some(log)) = (&read, &mut self.log) {
                        log.write(&scratch[..*count]);
                    }
                    read
                }
            };
            moved = true;
            if matches!(read, Read::Bytes(_)) {
                self.was_silent = false;
            }
            if matches!(read, Read::End) {
                *slot = None;
            }
        }
        moved
    }

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

    pub fn resize(&self, size: crate::protocol::messages::Size) {
        if let Some(terminal) = &self.terminal {
            // A terminal that has gone cannot be resized; its end is told anyway.
            let _ = terminal::resize(terminal.as_fd(), size);
        }
    }
}

impl Log {
    fn write(&mut self, bytes: &[u8]) {
        let bytes = &bytes[..bytes.len().min(self.left)];
        self.left -= bytes.len();
        // A full disk must not stop the process that is logged.
        if !bytes.is_empty() && self.file.write_all(bytes).is_err() {
            self.left = 0;
        }
    }
}

fn signal_group(group: i32, signal: i32) {
    // 0 and 1 would mean our own group and everybody.
    if group > 1 {
        // SAFETY: touches no memory.
        unsafe { libc::kill(-group, signal) };
    }
}

/// As much of a command line as is told in lists.
pub fn shortened(argv: &[String]) -> Vec<String> {
    let mut left = ARGV_TOLD;
    let mut told = Vec::new();
    for argument in argv {
        if argument.len() > left {
            let mut end = left;
            while !argument.is_char_boundary(end) {
                end -= 1;
            }
            told.push(format!("{}…", &argument[..end]));
            break;
        }
        left -= argument.len();
        told.push(argument.clone());
    }
    told
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn long_command_lines_are_told_in_part() {
        let argv = ["sh".to_owned(), "ä".repeat(2000), "x".to_owned()];
        let told = shortened(&argv);
        assert_eq!(told.len(), 2);
        assert!(told[1].len() < 1030 && told[1].ends_with('…'));
        assert_eq!(shortened(&argv[..1]), argv[..1]);
    }
}
