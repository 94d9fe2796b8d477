//! From a request to a running process with its ends of pipes or terminal in our hands.

use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::pipe::PipeFlags;

use super::command::Command;
use super::output::Output;
use super::process::Process;
use super::spawn::{Child, SpawnError, Spawned, Spawner};
use super::terminal;
use crate::environment::environment;
use crate::machine::Machine;
use crate::protocol::messages::{Failure, Kind, OpenExec, Size, User};
use crate::reactor::poller::{Poller, Role};
use crate::reason::reason;
use crate::unavailable::unavailable;

pub struct Starter {
    spawner: Spawner,
    null: OwnedFd,
}

impl Starter {
    pub fn new() -> rustix::io::Result<Self> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        Ok(Starter {
            spawner: Spawner::new(),
            null: rustix::fs::open("/dev/null", flags, rustix::fs::Mode::empty())?,
        })
    }

    pub fn start(
        &mut self,
        key: u32,
        process: &mut Process,
        open: &OpenExec,
        poller: &Poller,
        machine: &mut Machine,
    ) -> Result<Spawned, Failure> {
        let identity = machine
            .accounts
            .identity(open.user.unwrap_or(User::Lohar))?;
        let environment = environment(&identity, &machine.environment, &open.env);
        let directory = open.cwd.as_deref().unwrap_or(&machine.directory);
        let mut command = Command::new(&open.argv, &environment, directory)?;
        if let (Some(file), None) = (&open.output, open.tty) {
            command.write_to(file)?;
        }
        process.oom_kills = machine.oom_kills();
        let is_session = process.kind != Kind::Exec;
        let mut spawn = |stdio, terminal| {
            self.spawner
                .spawn(Child {
                    command: &mut command,
                    stdio,
                    terminal,
                    apart: is_session,
                    identity: &identity,
                    cgroup: machine.cgroup.as_ref().map(|cgroup| cgroup.directory()),
                })
                .map_err(|error| explain(error, directory, open))
        };
        if let Some(size) = open.tty {
            let owner = identity.switch.then_some(identity.uid);
            let (ours, theirs) = terminal::open(size, owner)
                .map_err(|error| unavailable("open a terminal", error))?;
            let theirs = theirs.as_fd();
            let spawned = spawn([theirs, theirs, theirs], true)?;
            attach_terminal(key, process, ours, poller).map_err(cannot_start)?;
            return Ok(spawned);
        }
        let (stdout, their_stdout) = pipe_from_process().map_err(cannot_start)?;
        // What a session writes is one text: it stays in order.
        let apart = match is_session {
            true => None,
            false => Some(pipe_from_process().map_err(cannot_start)?),
        };
        let (stderr, their_stderr) = apart.unzip();
        let output = (
            their_stdout.as_fd(),
            their_stderr.as_ref().unwrap_or(&their_stdout).as_fd(),
        );
        let spawned = if open.stdin {
            let (their_stdin, stdin) =
                rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(cannot_start)?;
            rustix::fs::fcntl_setfl(&stdin, OFlags::NONBLOCK).map_err(cannot_start)?;
            let spawned = spawn([their_stdin.as_fd(), output.0, output.1], false)?;
            process.input.open_pipe(stdin);
            spawned
        } else {
            let spawned = spawn([self.null.as_fd(), output.0, output.1], false)?;
            process.input.close();
            spawned
        };
        let readable = |source: OwnedFd, role, channel| {
            poller.watch_readable(&source, key, role)?;
            Ok(Output::new(Rc::new(source), channel, false))
        };
        let stderr = stderr.map(|stderr| readable(stderr, Role::Stderr, 2));
        process.outputs = [
            Some(readable(stdout, Role::Stdout, 1).map_err(cannot_start)?),
            stderr.transpose().map_err(cannot_start)?,
        ];
        Ok(spawned)
    }
}

fn attach_terminal(
    key: u32,
    process: &mut Process,
    ours: OwnedFd,
    poller: &Poller,
) -> rustix::io::Result<()> {
    let ours = Rc::new(ours);
    poller.watch_both(&*ours, key, Role::Terminal)?;
    process.input.open_terminal(ours.clone());
    process.outputs = [Some(Output::new(ours.clone(), 1, true)), None];
    process.terminal = Some(ours);
    Ok(())
}

/// Our end does not block; the process's does.
fn pipe_from_process() -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    rustix::fs::fcntl_setfl(&ours, OFlags::NONBLOCK)?;
    Ok((ours, theirs))
}

fn cannot_start(error: Errno) -> Failure {
    unavailable("start the process", error)
}

fn explain(error: SpawnError, directory: &str, open: &OpenExec) -> Failure {
    match error {
        SpawnError::Process(error) => cannot_start(error),
        SpawnError::Credentials(error) => {
            Failure::bad_request(format!("Cannot become the user: {}", reason(error)))
        }
        SpawnError::Directory(error) => {
            Failure::bad_request(format!("Cannot start in '{directory}': {}", reason(error)))
        }
        SpawnError::Output(error) => {
            let file = open.output.as_deref().unwrap_or_default();
            Failure::bad_request(format!("Cannot write to '{file}': {}", reason(error)))
        }
    }
}

/// A terminal of no window at all still needs a size.
pub const DEFAULT_SIZE: Size = Size { rows: 24, cols: 80 };
