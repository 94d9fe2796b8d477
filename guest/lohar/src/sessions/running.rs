//! How many processes the host has running, and of how many it is still told.

use super::init;
use super::table::Sessions;

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
        for process in all.filter(|process| process.exit.is_none() && !init::is(process)) {
            match process.tty {
                true => running.terminals += 1,
                false => running.commands += 1,
            }
            running.attached += u32::from(process.stream.is_some());
        }
        running
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::protocol::messages::{OpenExec, Size};
    use crate::sessions::ended::Exit;
    use crate::sessions::process::Process;

    fn process(session: &str, stream: Option<u32>, tty: bool) -> Process {
        let open = OpenExec {
            argv: vec!["sleep".to_owned()],
            env: BTreeMap::new(),
            cwd: None,
            user: None,
            tty: tty.then_some(Size { rows: 1, cols: 1 }),
            stdin: false,
            timeout_ms: 0,
        };
        Process::new(session.to_owned(), stream, open)
    }

    #[test]
    fn counts_what_has_not_ended_whether_anybody_is_told_or_not() {
        let mut sessions = Sessions::new().unwrap();
        assert_eq!(sessions.running(), Running::default());
        let mut ended = process("sess-4", Some(7), false);
        ended.exit = Some(Exit::Code(0));
        let all = [
            process(init::SESSION, None, true),
            process("sess-1", Some(1), false),
            process("sess-2", None, false),
            process("sess-3", Some(5), true),
            ended,
        ];
        sessions.processes.extend((1..).zip(all));
        let expected = Running {
            commands: 2,
            terminals: 1,
            attached: 2,
        };
        assert_eq!(sessions.running(), expected);
    }
}
