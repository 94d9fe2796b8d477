//! One process and all that belongs to it, from its start to its result.

use std::os::fd::OwnedFd;
use std::rc::Rc;

use super::credit::Credit;
use super::ended::Exit;
use super::input::Input;
use super::output::{Output, Read};
use super::shared::{Shared, Viewer};
use crate::protocol::messages::{Kind, OpenExec, ProcessInfo, Size, User};
use crate::reactor::wires::Wires;

/// How long grandchildren that keep the output open may be silent before the result is sent without them.
pub const SILENCE: u64 = 100_000_000;
/// Bytes of a command line.
const ARGV_TOLD: usize = 1024;

pub struct Process {
    pub session: String,
    pub kind: Kind,
    pub user: User,
    pub argv: Vec<String>,
    pub tty: bool,
    pub started_unix_ms: u64,
    pub ended_unix_ms: Option<u64>,
    pub pid: Option<i32>,
    /// The stream of a plain command; None after CLOSE, a new connection, or the result.
    pub stream: Option<u32>,
    /// What only a session has.
    pub shared: Option<Box<Shared>>,
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
    /// The size that its terminal gets soon.
    pub redraw: Option<(u64, Size)>,
    /// Whether it stands in the queue of those whose output is to be read.
    pub queued: bool,
}

impl Process {
    /// A plain command.
    pub fn new(session: String, stream: Option<u32>, open: OpenExec) -> Self {
        let mut input = Input::default();
        if open.tty.is_none() && !open.stdin {
            input.close();
        }
        Process {
            session,
            kind: Kind::Exec,
            user: open.user.unwrap_or(User::Lohar),
            argv: shortened(&open.argv),
            tty: open.tty.is_some(),
            started_unix_ms: 0,
            ended_unix_ms: None,
            pid: None,
            stream,
            shared: None,
            waiting: Some(Box::new(open)),
            input,
            outputs: [None, None],
            terminal: None,
            credit: Credit::default(),
            exit: None,
            timed_out: false,
            deadline: None,
            silence: None,
            was_silent: false,
            oom_kills: 0,
            redraw: None,
            queued: false,
        }
    }

    pub fn session(
        session: String,
        kind: Kind,
        stream: Option<u32>,
        open: OpenExec,
        shared: Shared,
    ) -> Self {
        let mut process = Self::new(session, None, open);
        let control = stream.map(|stream| Viewer::new(stream, 0));
        process.kind = kind;
        process.shared = Some(Box::new(Shared { control, ..shared }));
        process
    }

    pub fn info(&self) -> ProcessInfo {
        let shared = self.shared.as_ref();
        let running = self.exit.is_none();
        ProcessInfo {
            session: self.session.clone(),
            kind: self.kind,
            pid: self.pid.unwrap_or(0),
            argv: self.argv.clone(),
            tty: self.tty,
            stdin: running && self.input.is_open(),
            user: self.user,
            started_unix_ms: self.started_unix_ms,
            running,
            attached: self.stream().is_some(),
            watchers: shared.map_or(0, |shared| shared.watchers.len()),
            log_bytes: shared.map_or(0, |shared| shared.log.bytes()),
            exit_code: self.exit.map(Exit::code),
            reason: self.exit.map(Exit::reason),
            signal: self.exit.and_then(Exit::signal),
            ended_unix_ms: self.ended_unix_ms,
        }
    }

    /// Who is told of it and has control of it.
    pub fn stream(&self) -> Option<u32> {
        match &self.shared {
            Some(shared) => shared.control.as_ref().map(|viewer| viewer.stream),
            None => self.stream,
        }
    }

    /// Any stream that is open, those that only watch included.
    pub fn is_attended(&self) -> bool {
        match &self.shared {
            Some(shared) => shared.viewers().next().is_some(),
            None => self.stream.is_some(),
        }
    }

    pub fn is_running(&self) -> bool {
        self.pid.is_some() && self.exit.is_none()
    }

    /// Output can be read and its stream has credit left, or read output can be sent.
    pub fn has_output(&self) -> bool {
        let due = self.outputs.iter().flatten().any(Output::is_due);
        match &self.shared {
            Some(shared) => (due && shared.room() > 0) || shared.has_news(),
            None => due && (self.stream.is_none() || self.credit.left() > 0),
        }
    }

    /// Something can be read although the line takes no more.
    pub fn can_read_ahead(&self) -> bool {
        let due = self.outputs.iter().flatten().any(Output::is_due);
        due && match &self.shared {
            Some(shared) => shared.room() > 0,
            None => self.stream.is_none(),
        }
    }

    /// The process has ended and its time is over: of its outputs only what they hold now is told, however slow the
    /// reader. Without this bound, grandchildren that never fall silent would keep the result back for ever.
    pub fn last_call(&mut self) {
        for output in self.outputs.iter_mut().flatten() {
            output.bound();
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
            let read = match (&mut self.shared, self.stream) {
                (Some(shared), _) => {
                    let room = shared.room().min(scratch.len());
                    if room == 0 {
                        continue;
                    }
                    let read = output.read(&mut scratch[..room]);
                    if let Read::Bytes(count) = read {
                        shared.take(&scratch[..count]);
                    }
                    read
                }
                (None, Some(stream)) => {
                    if self.credit.left() == 0 || !wires.outgoing.has_room() {
                        continue;
                    }
                    let read = output.send(&mut wires.outgoing, stream, self.credit.left());
                    if let Read::Bytes(count) = read {
                        self.credit.spend(count);
                    }
                    read
                }
                (None, None) => output.read(scratch),
            };
            moved = true;
            if matches!(read, Read::Bytes(_)) {
                self.was_silent = false;
            }
            if matches!(read, Read::End) {
                *slot = None;
            }
        }
        self.tell_size(wires); // programs change it, too
        match &mut self.shared {
            Some(shared) => shared.tell(wires) || moved,
            None => moved,
        }
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
