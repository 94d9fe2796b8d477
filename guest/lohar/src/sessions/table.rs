//! All processes: which stream, pid and descriptor belongs to which, and whose turn it is to be read.

use std::collections::{HashMap, VecDeque};

use super::ended::Ended;
use super::logs::LogReaders;
use super::names::Names;
use super::process::{Process, SILENCE};
use super::spawn::Spawned;
use super::start::Starter;
use crate::machine::Machine;
use crate::protocol::frame::kind;
use crate::protocol::messages::{Failure, NotExecuted, Opened, ProcessInfo};
use crate::protocol::outgoing::MAX_DATA;
use crate::reactor::clock;
use crate::reactor::stream_handler::StreamHandler;
use crate::reactor::timers::Timer;
use crate::reactor::wires::{Target, Wires};

const MAX_PROCESSES: usize = 512;

pub struct Sessions {
    pub(super) processes: HashMap<u32, Process>,
    pub(super) keys_by_pid: HashMap<i32, u32>,
    /// Those with output to read and room for it; each gives one piece per turn.
    pub(super) queue: VecDeque<u32>,
    pub(super) ended: Ended,
    /// Sessions that have ended and are known still, those that ended first in front.
    pub(super) past: VecDeque<u32>,
    pub readers: LogReaders,
    pub names: Names,
    /// Sessions so far.
    pub(super) opened: u32,
    starter: Starter,
    pub(super) scratch: Box<[u8]>,
    /// Nothing may start while the guest is frozen: we would sleep with the frozen child until its `execve`.
    pub frozen: bool,
}

impl Sessions {
    pub fn new() -> rustix::io::Result<Self> {
        Ok(Sessions {
            processes: HashMap::new(),
            keys_by_pid: HashMap::new(),
            queue: VecDeque::new(),
            ended: Ended::default(),
            past: VecDeque::new(),
            readers: LogReaders::new(),
            names: Names::default(),
            opened: 0,
            starter: Starter::new()?,
            scratch: vec![0; MAX_DATA].into_boxed_slice(),
            frozen: false,
        })
    }

    pub fn add(
        &mut self,
        process: Process,
        wires: &mut Wires,
        machine: &mut Machine,
    ) -> Result<(), Failure> {
        self.check_room()?;
        let key = wires.next_key();
        if let Some(stream) = process.stream() {
            wires.streams.insert(stream, Target::Process(key));
        }
        self.processes.insert(key, process);
        if self.frozen {
            return Ok(());
        }
        self.start(key, wires, machine)
    }

    pub(super) fn check_room(&self) -> Result<(), Failure> {
        if self.processes.len() < MAX_PROCESSES {
            return Ok(());
        }
        let message = format!("Process limit reached ({MAX_PROCESSES})");
        Err(Failure::new("limit", message))
    }

    /// Starts what had to wait for the guest to be thawed.
    pub fn start_waiting(&mut self, wires: &mut Wires, machine: &mut Machine) {
        let mut waiting: Vec<u32> = self
            .processes
            .iter()
            .filter(|(_, process)| process.waiting.is_some())
            .map(|(&key, _)| key)
            .collect();
        waiting.sort_unstable();
        for key in waiting {
            let stream = self.processes.get(&key).and_then(Process::stream);
            match (self.start(key, wires, machine), stream) {
                (Err(failure), Some(stream)) => wires.fail(stream, &failure),
                (Err(failure), None) => crate::log::warn(&failure.message),
                (Ok(()), _) => {}
            }
        }
    }

    fn start(&mut self, key: u32, wires: &mut Wires, machine: &mut Machine) -> Result<(), Failure> {
        let Some(process) = self.processes.get_mut(&key) else {
            return Ok(());
        };
        let Some(open) = process.waiting.take() else {
            return Ok(());
        };
        let outcome = self
            .starter
            .start(key, process, &open, &wires.poller, machine);
        let Spawned { pid, failed } = match outcome {
            Ok(spawned) => spawned,
            Err(failure) => {
                self.give_up(key);
                return Err(failure);
            }
        };
        process.pid = Some(pid);
        process.started_unix_ms = clock::unix_ms();
        self.keys_by_pid.insert(pid, key);
        if open.timeout_ms > 0 {
            let wait = open.timeout_ms.saturating_mul(1_000_000);
            let deadline = clock::now().saturating_add(wait);
            process.deadline = Some(deadline);
            wires.timers.add(deadline, key, Timer::Deadline);
        }
        if let Some(stream) = process.stream() {
            let session = &process.session;
            let log = process.shared.as_ref().map(|shared| shared.path.as_str());
            let output = open.output.as_deref();
            let opened = Opened {
                session,
                pid,
                log,
                output,
                failed: failed.as_ref().map(|failure| NotExecuted {
                    exit_code: failure.exit_code,
                    reason: failure.reason,
                }),
            };
            wires.outgoing.json(stream, kind::OPENED, &opened);
        }
        self.pump_input(key, wires);
        Ok(())
    }

    /// It was never started.
    pub(super) fn give_up(&mut self, key: u32) {
        let process = self.processes.remove(&key);
        if let Some(mut shared) = process.and_then(|process| process.shared) {
            shared.log.discard();
        }
    }

    /// In the order in which they were started, but for commands that have ended, which come first.
    pub fn list(&self) -> Vec<ProcessInfo> {
        let is_told = |process: &Process| match &process.shared {
            Some(shared) => !shared.forgotten,
            None => process.is_running() || process.stream.is_some(),
        };
        let mut known: Vec<(&u32, &Process)> = self
            .processes
            .iter()
            .filter(|(_, process)| is_told(process))
            .collect();
        known.sort_unstable_by_key(|(&key, _)| key);
        let known = known.into_iter().map(|(_, process)| process.info());
        self.ended.iter().cloned().chain(known).collect()
    }

    /// Puts a process whose output can go somewhere into the queue, or finishes it when all is told.
    pub fn advance(&mut self, key: u32, wires: &mut Wires) {
        let Some(process) = self.processes.get_mut(&key) else {
            return;
        };
        if process.has_output() {
            if !std::mem::replace(&mut process.queued, true) {
                self.queue.push_back(key);
            }
            return;
        }
        if process.shared.is_some() {
            return self.advance_session(key, wires);
        }
        let open = process
            .outputs
            .iter()
            .flatten()
            .filter(|output| !output.is_settled());
        let (count, stalled) = open.fold((0, false), |(count, stalled), output| {
            (count + 1, stalled || output.ready)
        });
        let Some(exit) = process.exit else { return };
        let is_over = process.was_silent && process.stream.is_some() && !stalled;
        if count == 0 || is_over {
            self.finish(key, exit, wires);
        } else if process.stream.is_some() && !stalled && process.silence.is_none() {
            let until = clock::now() + SILENCE;
            process.silence = Some(until);
            wires.timers.add(until, key, Timer::Silence);
        }
    }

    /// For the test mode, where not every process of the machine is ours.
    pub fn signal_all(&self, signal: i32) {
        for process in self.processes.values() {
            process.signal_group(signal);
        }
    }
}
