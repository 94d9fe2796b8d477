//! How processes ended, and the last commands whose result no stream received.

use std::collections::VecDeque;

use rustix::process::WaitStatus;

use super::signals;
use crate::protocol::messages::{ExecResult, ProcessInfo};

pub const KEPT: usize = 32;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    Code(i32),
    Signal(i32),
    Timeout,
    OutOfMemory,
}

impl Exit {
    pub fn of(status: WaitStatus) -> Self {
        match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => Exit::Code(code),
            (None, signal) => Exit::Signal(signal.unwrap_or(libc::SIGKILL)),
        }
    }

    pub fn code(self) -> i32 {
        match self {
            Exit::Code(code) => code,
            Exit::Signal(signal) => 128 + signal,
            Exit::Timeout | Exit::OutOfMemory => 128 + libc::SIGKILL,
        }
    }

    pub fn reason(self) -> &'static str {
        match self {
            Exit::Code(_) => "exited",
            Exit::Signal(_) => "signal",
            Exit::Timeout => "timeout",
            Exit::OutOfMemory => "oom",
        }
    }

    pub fn signal(self) -> Option<String> {
        match self {
            Exit::Signal(signal) => Some(signals::name(signal)),
            _ => None,
        }
    }

    pub fn with_result<T>(self, missed: Option<u64>, tell: impl FnOnce(&ExecResult<'_>) -> T) -> T {
        tell(&ExecResult {
            exit_code: self.code(),
            reason: self.reason(),
            signal: self.signal().as_deref(),
            missed,
        })
    }
}

#[derive(Default)]
pub struct Ended(VecDeque<ProcessInfo>);

impl Ended {
    pub fn keep(&mut self, process: ProcessInfo) {
        if self.0.len() >= KEPT {
            self.0.pop_front();
        }
        self.0.push_back(process);
    }

    pub fn iter(&self) -> impl Iterator<Item = &ProcessInfo> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::messages::{Kind, User};

    #[test]
    fn codes_follow_the_shell() {
        assert_eq!(Exit::Code(3).code(), 3);
        assert_eq!(Exit::Signal(libc::SIGTERM).code(), 143);
        assert_eq!(Exit::Timeout.code(), 137);
        let text =
            Exit::Signal(9).with_result(None, |result| serde_json::to_string(result).unwrap());
        assert_eq!(
            text,
            r#"{"exit_code":137,"reason":"signal","signal":"SIGKILL"}"#
        );
        let text = Exit::Code(0).with_result(None, |result| serde_json::to_string(result).unwrap());
        assert_eq!(text, r#"{"exit_code":0,"reason":"exited"}"#);
    }

    #[test]
    fn remembers_a_bounded_number() {
        let mut ended = Ended::default();
        for number in 0..100 {
            ended.keep(ProcessInfo {
                session: format!("sess-{number:04x}"),
                kind: Kind::Exec,
                pid: number,
                argv: vec![],
                tty: false,
                stdin: false,
                user: User::Lohar,
                started_unix_ms: 0,
                running: false,
                attached: false,
                watchers: 0,
                log_bytes: 0,
                exit_code: Some(0),
                reason: Some("exited"),
                signal: None,
                ended_unix_ms: Some(0),
            });
        }
        assert_eq!(ended.iter().count(), KEPT);
        assert!(ended.iter().any(|process| process.pid == 99));
    }
}
