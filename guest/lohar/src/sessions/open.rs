//! The `exec` stream: what is to be started, and whether it is a plain command or a session.

use super::process::Process;
use super::session_log::SessionLog;
use super::shared::Shared;
use super::table::Sessions;
use crate::machine::Machine;
use crate::protocol::messages::{Failure, Kind, OpenExec, User};
use crate::reactor::wires::Wires;

/// Sessions that run, without the init script.
const MOST_SESSIONS: usize = 20;
/// Sessions.
const LOOK_EVERY: u32 = 16;

impl Sessions {
    pub fn open(
        &mut self,
        stream: u32,
        open: OpenExec,
        wires: &mut Wires,
        machine: &mut Machine,
    ) -> Result<(), Failure> {
        let kind = kind(&open);
        if kind == Kind::Exec {
            let session = self.name(|_| false);
            return self.add(Process::new(session, Some(stream), open), wires, machine);
        }
        let counts = |process: &&Process| {
            process.exit.is_none() && !matches!(process.kind, Kind::Exec | Kind::Init)
        };
        if self.processes.values().filter(counts).count() >= MOST_SESSIONS {
            let message = format!("Session limit reached ({MOST_SESSIONS})");
            return Err(Failure::new("session_limit", message));
        }
        self.check_room()?;
        self.make_room_for_logs(machine);
        let session = self.name(|name| machine.logs.has(name));
        let shared = shared(&session, &open, machine)?;
        let process = Process::session(session, kind, Some(stream), open, shared);
        self.add(process, wires, machine)
    }

    /// Now and then, as it looks at every log there is. Whatever is still told of has its own.
    fn make_room_for_logs(&mut self, machine: &Machine) {
        self.opened = self.opened.wrapping_add(1);
        if self.opened % LOOK_EVERY != 0 {
            return;
        }
        machine.logs.make_room(|name| {
            self.processes
                .values()
                .any(|process| process.session == name)
                || self.ended.iter().any(|process| process.session == name)
        });
    }

    fn name(&mut self, has_log: impl Fn(&str) -> bool) -> String {
        let Sessions {
            names,
            processes,
            ended,
            ..
        } = self;
        names.next(|name| {
            processes.values().any(|process| process.session == name)
                || ended.iter().any(|process| process.session == name)
                || has_log(name)
        })
    }
}

fn kind(open: &OpenExec) -> Kind {
    match (open.tty, open.session, open.stdin) {
        (Some(_), ..) => Kind::Terminal,
        (None, false, _) => Kind::Exec,
        (None, true, true) => Kind::Piped,
        (None, true, false) => Kind::Detached,
    }
}

/// What a session has besides, with a log that is its user's.
pub fn shared(session: &str, open: &OpenExec, machine: &mut Machine) -> Result<Shared, Failure> {
    let identity = machine
        .accounts
        .identity(open.user.unwrap_or(User::Lohar))?;
    let owner = identity.switch.then_some((identity.uid, identity.gid));
    let log = SessionLog::new(machine.logs.clone(), session, owner);
    let path = machine.logs.path_of(session);
    Ok(Shared::new(log, path, open.tty.is_some(), open.max_idle_ms))
}
