//! The end of a session: when all of its output has been read, and what is kept of it then.

use super::ended::{Exit, KEPT};
use super::endings::forget_timers;
use super::process::{Process, SILENCE};
use super::session_log::SETTLE;
use super::table::Sessions;
use crate::protocol::messages::Kind;
use crate::reactor::clock;
use crate::reactor::timers::Timer;
use crate::reactor::wires::Wires;

impl Sessions {
    /// There is nothing to be read or told: has it ended?
    pub(super) fn advance_session(&mut self, key: u32, wires: &mut Wires) {
        let Some(process) = self.processes.get_mut(&key) else {
            return;
        };
        let (Some(exit), Some(shared)) = (process.exit, &process.shared) else {
            return;
        };
        if shared.over.is_some() {
            if process.outputs[0].is_none() {
                self.let_go(key, wires);
            }
            return;
        }
        let output = process.outputs[0].as_ref();
        match output.filter(|output| !output.is_settled()) {
            // Whoever has control is slow.
            Some(output) if output.ready => {}
            Some(_) if !process.was_silent => {
                if process.silence.is_none() {
                    let until = clock::now() + SILENCE;
                    process.silence = Some(until);
                    wires.timers.add(until, key, Timer::Silence);
                }
            }
            _ => self.conclude(key, exit, wires),
        }
    }

    /// All that belongs to it has been read. What it has left in the background may go on writing: that is logged and
    /// kept, too.
    fn conclude(&mut self, key: u32, exit: Exit, wires: &mut Wires) {
        let Some(process) = self.processes.get_mut(&key) else {
            return;
        };
        forget_timers(key, process, wires);
        process.input.abandon();
        process.terminal = None;
        for output in process.outputs.iter_mut().flatten() {
            output.owed = None;
        }
        if let Some(shared) = &mut process.shared {
            shared.end(exit);
        }
        if process.kind != Kind::Init {
            self.past.push_back(key);
        }
        self.wake_readers(key);
        self.forget_oldest();
        self.advance(key, wires);
    }

    /// Nothing writes any more.
    fn let_go(&mut self, key: u32, wires: &mut Wires) {
        let Some(process) = self.processes.get_mut(&key) else {
            return;
        };
        if let Some(shared) = &mut process.shared {
            let was_open = shared.log.close();
            if shared.forgotten {
                self.processes.remove(&key);
            } else if was_open {
                self.settle_gap(key, wires);
            }
        }
    }

    pub(super) fn settle_gap(&mut self, key: u32, wires: &mut Wires) {
        let process = self.processes.get_mut(&key);
        let shared = process.and_then(|process| process.shared.as_mut());
        if shared.is_some_and(|shared| !shared.log.settle()) {
            wires.timers.add(clock::now() + SETTLE, key, Timer::Gap);
        }
    }

    /// Keeps the last ended sessions, the init script, and those whose output is still being sent.
    pub(super) fn forget_oldest(&mut self) {
        while self.past.len() > KEPT {
            let is_free = |key: &u32| {
                let process = self.processes.get(key);
                !process.is_some_and(Process::is_attended)
            };
            let Some(at) = self.past.iter().position(is_free) else {
                return;
            };
            let Some(key) = self.past.remove(at) else {
                return;
            };
            if let Some(process) = self.processes.get_mut(&key) {
                if let Some(shared) = &mut process.shared {
                    shared.forgotten = true;
                    shared.ring.clear();
                }
                if process.outputs[0].is_none() {
                    self.processes.remove(&key);
                }
            }
        }
    }
}
