//! The sandbox's init script: a session of its own that no stream belongs to, with its output in a log.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::fs::{fchown, OpenOptionsExt};
use std::path::Path;

use super::process::{shortened, Log, Process};
use super::start::DEFAULT_SIZE;
use crate::init_leader;
use crate::machine::Machine;
use crate::protocol::messages::{Failure, OpenExec, User};

pub const SESSION: &str = "init";
/// Leads to us whatever has become of the initramfs that we were read from.
const OWN_PROGRAM: &str = "/proc/self/exe";
const MAX_LOG: usize = 10 * 1024 * 1024;
/// The kernel takes at most this as one argument.
const MAX_SCRIPT: usize = 128 * 1024 - 1;

pub fn is(process: &Process) -> bool {
    process.session == SESSION
}

pub fn process(script: &str, machine: &mut Machine) -> Result<Process, Failure> {
    if script.len() > MAX_SCRIPT {
        let message = format!(
            "The init script has {} bytes, at most {MAX_SCRIPT}",
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
    };
    let mut process = Process::new(SESSION.to_owned(), None, open);
    process.argv = shortened(&command);
    process.log = open_log(&machine.log_directory, identity.uid, identity.gid);
    Ok(process)
}

/// Without a place for it the script runs all the same.
fn open_log(directory: &Path, uid: u32, gid: u32) -> Option<Log> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(directory.join("init.log"));
    match file {
        Ok(file) => {
            let _ = fchown(&file, Some(uid), Some(gid));
            let left = MAX_LOG;
            Some(Log { file, left })
        }
        Err(error) => {
            crate::log::warn(&format!("init script without a log: {error}"));
            None
        }
    }
}
