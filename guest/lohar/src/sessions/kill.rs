//! Signals to a process, without attaching to it.

use super::attach::not_found;
use super::signals;
use super::table::Sessions;
use crate::protocol::messages::{Failure, Kill};

impl Sessions {
    pub fn kill(&self, request: &Kill) -> Result<(), Failure> {
        let Kill { session, signal } = request;
        let number = signals::number(signal)
            .ok_or_else(|| Failure::bad_request(format!("Unknown signal '{signal}'")))?;
        let mut all = self.processes.values();
        let known = all.find(|process| &process.session == session && process.pid.is_some());
        let process = match known {
            Some(process) if process.is_running() => process,
            Some(process) if process.shared.as_ref().is_some_and(|it| it.forgotten) => {
                return Err(not_found(session));
            }
            None if !self.ended.iter().any(|process| &process.session == session) => {
                return Err(not_found(session));
            }
            _ => {
                let message = format!("Session '{session}' has ended");
                return Err(Failure::new("session_ended", message));
            }
        };
        process.signal_widely(number);
        Ok(())
    }
}
