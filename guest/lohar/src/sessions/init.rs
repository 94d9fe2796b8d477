//! The sandbox's init script: a session of its own that no stream belongs to, with its output in a log.

use std::collections::BTreeMap;

use super::open::shared;
use super::process::{shortened, Process};
use super::start::DEFAULT_SIZE;
use crate::init_leader;
use crate::machine::Machine;
use crate::protocol::messages::{Failure, Kind, OpenExec, User};

pub const SESSION: &str = "init";
/// Leads to us whatever has become of the initramfs that we were read from.
const OWN_PROGRAM: &str = "/proc/self/exe";
/// The kernel takes at most this as one argument.
const MAX_SCRIPT: usize = 128 * 1024 - 1;

pub fn process(script: &str, machine: &mut Machine) -> Result<Process, Failure> {
    if script.len() > MAX_SCRIPT {
        let message = format!(
            "The init script has {} bytes, the maximum is {MAX_SCRIPT}",
            script.len()
        );
        return Err(Failure::bad_request(message));
    }
    let identity = machine.accounts.identity(User::Lohar)?;
    let command = [identity.shell.as_str(), "-c", script].map(str::to_owned);
    let leader = [OWN_PROGRAM, init_leader::NAME].map(str::to_owned);
    let open = OpenExec {
        argv: leader.into_iter().chain(command.clone()).collect(),
        env: BTreeMap::new(),
        cwd: None,
        user: Some(User::Lohar),
        tty: Some(DEFAULT_SIZE),
        stdin: true,
        timeout_ms: 0,
        session: true,
        max_idle_ms: 0,
        output: None,
    };
    machine.logs.remove(SESSION);
    let shared = shared(SESSION, &open, machine)?;
    let mut process = Process::session(SESSION.to_owned(), Kind::Init, None, open, shared);
    process.argv = shortened(&command);
    Ok(process)
}
