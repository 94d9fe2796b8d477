//! The streams `file` and `write`: from the host's frames into a worker's pipe, from what the worker says and sends to
//! the host's answer.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::epoll::EventFlags;
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::pipe::{pipe_with, PipeFlags};

use super::job::{Content, Job, Unassigned};
use super::order::{trust_of, OpenFile, Work};
use super::staff::Staff;
use super::worker::Ends;
use super::write::GO_AHEAD;
use crate::machine::Machine;
use crate::protocol::messages::{parse, Failure, Nothing, OpenWrite, User};
use crate::reactor::poller::Role;
use crate::reactor::stream_handler::StreamHandler;
use crate::reactor::wires::{Target, Wires};
use crate::sessions::credit::Credit;
use crate::sessions::input::Input;
use crate::unavailable::unavailable;

const MOST_JOBS: usize = 64;
/// As much as a pipe may hold.
const PIPE: usize = 1024 * 1024;

#[derive(Default)]
pub struct Jobs {
    jobs: HashMap<u32, Job>,
    staff: Staff,
}

impl Jobs {
    pub fn open_file(
        &mut self,
        stream: u32,
        payload: &[u8],
        wires: &mut Wires,
        machine: &mut Machine,
    ) -> Result<(), Failure> {
        let user = parse::<OpenFile>(payload)?.user.unwrap_or(User::Lohar);
        self.start(stream, Work::of(payload)?, user, wires, machine)
    }

    pub fn open_write(
        &mut self,
        stream: u32,
        open: OpenWrite,
        wires: &mut Wires,
        machine: &mut Machine,
    ) -> Result<(), Failure> {
        let user = open.user.unwrap_or(User::Lohar);
        let owner = match open.owner {
            Some(owner) => Some(machine.accounts.identity(owner)?),
            None => None,
        };
        let work = Work::write(open, owner.as_deref())?;
        self.start(stream, work, user, wires, machine)
    }

    fn start(
        &mut self,
        stream: u32,
        work: Work,
        user: User,
        wires: &mut Wires,
        machine: &mut Machine,
    ) -> Result<(), Failure> {
        let work = work.placed(&machine.directory)?;
        if self.jobs.len() >= MOST_JOBS {
            let message = format!("File operation limit reached ({MOST_JOBS})");
            return Err(Failure::new("limit", message));
        }
        let identity = machine.accounts.identity(user)?;
        let task = format!("{} '{}'", work.action(), work.path().display());
        let unavailable = |error| unavailable(&task, error);
        let (ours, theirs) = pipes(&work).map_err(unavailable)?;
        let key = wires.next_key();
        wires
            .poller
            .watch_readable(&ours.messages, key, Role::Messages)
            .map_err(unavailable)?;
        if let Some(source) = &ours.output {
            wires
                .poller
                .watch_readable(source, key, Role::Content)
                .map_err(unavailable)?;
        }
        let mut job = Job {
            stream: Some(stream),
            worker: None,
            task,
            ending: work.ending(),
            input: ours.input.map_or_else(Input::default, Input::pipe),
            expected: work.expects(),
            received: 0,
            ended: false,
            content: ours.output.map(|source| Content {
                source,
                ready: false,
            }),
            credit: Credit::default(),
            messages: ours.messages,
            heard: Vec::new(),
            opened: false,
            outcome: None,
            silent: false,
            unassigned: Some(Unassigned {
                work,
                trust: trust_of(user),
                identity,
                ends: theirs,
            }),
        };
        if !job.waits_for_all_input() {
            job.employ(&mut self.staff)?;
        }
        if job.expected.is_some() {
            job.open(&Nothing {}, &mut wires.outgoing);
        }
        wires.streams.insert(stream, Target::File(key));
        self.jobs.insert(key, job);
        Ok(())
    }

    pub fn give_up(&mut self) {
        self.staff.dismiss_idle();
        for job in self.jobs.values_mut() {
            job.input.close();
        }
    }

    /// False when the pid is none of ours. What it worked on learns of it from its pipes.
    pub fn exited(&mut self, pid: i32) -> bool {
        self.staff.exited(pid)
    }
}

impl StreamHandler for Jobs {
    fn takes_input(&self, _key: u32, _stream: u32) -> bool {
        true
    }

    fn receive(&mut self, key: u32, bytes: &[u8]) -> Result<(), Failure> {
        let Some(job) = self.jobs.get_mut(&key) else {
            return Ok(());
        };
        job.received += bytes.len() as u64;
        let is_wrong = |size| job.ended || job.received > size;
        if job.expected.is_some_and(is_wrong) {
            return Err(job.wrong_size());
        }
        job.input.receive(bytes)
    }

    fn pump_input(&mut self, key: u32, wires: &mut Wires) {
        if let Some(job) = self.jobs.get_mut(&key) {
            let grant = job.input.pump(&wires.poller, key);
            if let (Some(grant), Some(stream)) = (grant, job.stream) {
                wires.outgoing.credit(stream, grant);
            }
        }
    }

    fn end(&mut self, key: u32, wires: &mut Wires) -> Result<(), Failure> {
        let Some(job) = self.jobs.get_mut(&key).filter(|job| !job.ended) else {
            return Ok(());
        };
        if job.expected.is_some_and(|size| job.received != size) {
            return Err(job.wrong_size());
        }
        job.employ(&mut self.staff)?;
        job.ended = true;
        if job.expected.is_some() {
            job.input.push_byte(GO_AHEAD);
        }
        job.input.end();
        self.pump_input(key, wires);
        Ok(())
    }

    fn credit(&mut self, key: u32, _stream: u32, bytes: u32, _wires: &mut Wires) {
        if let Some(job) = self.jobs.get_mut(&key) {
            job.credit.add(bytes);
        }
    }

    /// Gives up what has not ended.
    fn close(&mut self, key: u32, _stream: u32, _wires: &mut Wires) {
        if let Some(job) = self.jobs.get_mut(&key) {
            job.let_go(&self.staff);
            if job.silent {
                self.jobs.remove(&key);
            }
        }
    }

    fn event(&mut self, key: u32, role: Role, _flags: EventFlags, wires: &mut Wires) {
        match (role, self.jobs.get_mut(&key)) {
            (Role::Input, Some(_)) => self.pump_input(key, wires),
            (Role::Messages, Some(job)) => {
                job.listen(wires);
                if job.finish(wires, &mut self.staff) {
                    self.jobs.remove(&key);
                }
            }
            (
                Role::Content,
                Some(Job {
                    content: Some(content),
                    ..
                }),
            ) => content.ready = true,
            _ => {}
        }
    }

    fn has_work(&self, wires: &Wires) -> bool {
        self.jobs.values().any(|job| job.is_due(wires))
    }

    fn pump(&mut self, wires: &mut Wires) -> bool {
        let mut over = Vec::new();
        for (&key, job) in &mut self.jobs {
            if job.is_due(wires) {
                job.send(wires);
                if job.finish(wires, &mut self.staff) {
                    over.push(key);
                }
            }
        }
        for key in over {
            self.jobs.remove(&key);
        }
        self.has_work(wires)
    }
}

/// Lohar's ends, which never wait, and the worker's.
fn pipes(work: &Work) -> rustix::io::Result<(Ends, Ends)> {
    let (messages, their_messages) = pipe()?;
    do_not_wait(&messages)?;
    let (mut input, mut their_input, mut output, mut their_output) = (None, None, None, None);
    if work.takes_content() {
        let (source, sink) = wide_pipe()?;
        do_not_wait(&sink)?;
        (input, their_input) = (Some(sink), Some(source));
    }
    if work.gives_content() {
        let (source, sink) = wide_pipe()?;
        do_not_wait(&source)?;
        (output, their_output) = (Some(source), Some(sink));
    }
    let ours = Ends {
        messages,
        input,
        output,
    };
    let theirs = Ends {
        messages: their_messages,
        input: their_input,
        output: their_output,
    };
    Ok((ours, theirs))
}

fn pipe() -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    pipe_with(PipeFlags::CLOEXEC)
}

fn wide_pipe() -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    let (source, sink) = pipe()?;
    // The kernel may have its reasons; the pipe works as it is.
    let _ = rustix::pipe::fcntl_setpipe_size(&sink, PIPE);
    Ok((source, sink))
}

fn do_not_wait(end: impl AsFd) -> Result<(), Errno> {
    rustix::fs::fcntl_setfl(end, OFlags::NONBLOCK)
}
