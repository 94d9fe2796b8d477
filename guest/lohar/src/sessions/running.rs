//! How many processes the host has running, and of how many it is still told.

use super::table::Sessions;
use crate::protocol::messages::Kind;

#[derive(Default, PartialEq, Eq, Debug)]
pub struct Running {
    pub commands: u32,
    pub terminals: u32,
    pub attached: u32,
}

impl Sessions {
    /// Those that wait to be thawed count: they will run. The init script does not, as it may run for as long as the guest.
    pub fn running(&self) -> Running {
        let mut running = Running::default();
        let all = self.processes.values();
        for process in all.filter(|process| process.exit.is_none()) {
            match process.kind {
                Kind::Init => continue,
                Kind::Terminal | Kind::Piped => running.terminals += 1,
                Kind::Exec | Kind::Detached => running.commands += 1,
            }
            running.attached += u32::from(process.is_attended());
        }
        running
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::rc::Rc;

    use super::*;
    use crate::protocol::messages::OpenExec;
    use crate::sessions::ended::Exit;
    use crate::sessions::log_folder::LogFolder;
    use crate::sessions::process::Process;
    use crate::sessions::session_log::SessionLog;
    use crate::sessions::shared::{Shared, Viewer};

    fn process(kind: Kind, stream: Option<u32>) -> Process {
        let open = OpenExec {
            argv: vec!["sleep".to_owned()],
            env: BTreeMap::new(),
            cwd: None,
            user: None,
            tty: None,
            stdin: false,
            timeout_ms: 0,
            session: false,
            max_idle_ms: 0,
            output: None,
        };
        let session = "sess-1".to_owned();
        if kind == Kind::Exec {
            return Process::new(session, stream, open);
        }
        let folder = Rc::new(LogFolder::test("/nonexistent".into()));
        let log = SessionLog::new(folder, &session, None);
        let shared = Shared::new(log, String::new(), false, 0);
        Process::session(session, kind, stream, open, shared)
    }

    #[test]
    fn counts_running_processes_with_and_without_streams() {
        let mut sessions = Sessions::new().unwrap();
        assert_eq!(sessions.running(), Running::default());
        let mut ended = process(Kind::Exec, Some(7));
        ended.exit = Some(Exit::Code(0));
        let mut watched = process(Kind::Piped, None);
        let watchers = &mut watched.shared.as_mut().unwrap().watchers;
        watchers.push(Viewer::new(9, 0));
        let all = [
            process(Kind::Init, Some(3)),
            process(Kind::Exec, Some(1)),
            process(Kind::Exec, None),
            process(Kind::Detached, None),
            process(Kind::Terminal, Some(5)),
            watched,
            ended,
        ];
        sessions.processes.extend((1..).zip(all));
        let expected = Running {
            commands: 3,
            terminals: 2,
            attached: 3,
        };
        assert_eq!(sessions.running(), expected);
    }
}
