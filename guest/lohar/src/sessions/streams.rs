//! The streams of processes: of a session one that controls it and several that watch, of a plain command one.

use rustix::event::epoll::EventFlags;

use super::endings::forget_timers;
use super::log_reader::LogReader;
use super::process::Process;
use super::signals;
use super::table::Sessions;
use crate::protocol::messages::{parse, Control, Failure, Size};
use crate::reactor::clock;
use crate::reactor::poller::Role;
use crate::reactor::stream_handler::StreamHandler;
use crate::reactor::timers::Timer;
use crate::reactor::wires::Wires;

impl StreamHandler for Sessions {
    /// Streams that watch take none.
    fn takes_input(&self, key: u32, stream: u32) -> bool {
        let process = self.processes.get(&key);
        process.map_or(true, |process| process.stream() == Some(stream))
    }

    fn receive(&mut self, key: u32, bytes: &[u8]) -> Result<(), Failure> {
        let process = self.processes.get_mut(&key);
        process.map_or(Ok(()), |process| process.input.receive(bytes))
    }

    fn pump_input(&mut self, key: u32, wires: &mut Wires) {
        if let Some(process) = self.processes.get_mut(&key) {
            let grant = process.input.pump(&wires.poller, key);
            if let (Some(grant), Some(stream)) = (grant, process.stream()) {
                wires.outgoing.credit(stream, grant);
            }
        }
    }

    fn end(&mut self, key: u32, wires: &mut Wires) -> Result<(), Failure> {
        if let Some(process) = self.processes.get_mut(&key) {
            process.input.end();
            self.pump_input(key, wires);
        }
        Ok(())
    }

    fn control(&mut self, key: u32, message: &[u8], wires: &mut Wires) {
        let (Ok(control), Some(process)) =
            (parse::<Control>(message), self.processes.get_mut(&key))
        else {
            return;
        };
        match (control.kind.as_str(), control.rows, control.cols) {
            ("resize", Some(rows), Some(cols)) => {
                // A terminal that is about to get its size back shall get this one.
                if let Some((_, size)) = &mut process.redraw {
                    *size = Size { rows, cols };
                }
                process.resize(Size { rows, cols }, wires);
            }
            ("signal", ..) => {
                if let Some(signal) = control.signal.as_deref().and_then(signals::number) {
                    process.signal(signal);
                }
            }
            _ => {}
        }
    }

    fn credit(&mut self, key: u32, stream: u32, bytes: u32, wires: &mut Wires) {
        let Some(process) = self.processes.get_mut(&key) else {
            return;
        };
        match &mut process.shared {
            Some(shared) => {
                if let Some(viewer) = shared.viewer(stream) {
                    viewer.credit.add(bytes);
                }
            }
            None => process.credit.add(bytes),
        }
        self.advance(key, wires);
    }

    /// Of a plain command the input ends and the output is dropped; it runs on. A session keeps both.
    fn close(&mut self, key: u32, stream: u32, wires: &mut Wires) {
        let Some(process) = self.processes.get_mut(&key) else {
            return;
        };
        if process.waiting.is_some() {
            return self.give_up(key);
        }
        if process.shared.is_some() {
            return self.leave(key, stream, wires);
        }
        process.stream = None;
        process.input.close();
        if process.exit.is_some() {
            self.ended.keep(process.info());
            forget_timers(key, process, wires);
        }
        self.advance(key, wires);
    }

    fn pump(&mut self, wires: &mut Wires) -> bool {
        let mut moved = false;
        for _ in 0..self.queue.len() {
            let Some(key) = self.queue.pop_front() else {
                break;
            };
            let Some(process) = self.processes.get_mut(&key) else {
                continue;
            };
            process.queued = false;
            let pumped = process.pump(wires, &mut self.scratch);
            moved |= pumped;
            if pumped && process.shared.is_some() {
                self.wake_readers(key);
            }
            self.advance(key, wires);
        }
        moved |= self.pump_readers(wires);
        moved && !(self.queue.is_empty() && self.readers.is_empty())
    }

    fn has_work(&self, wires: &Wires) -> bool {
        let can_read_ahead = |key| {
            let process = self.processes.get(key);
            process.is_some_and(Process::can_read_ahead)
        };
        if wires.outgoing.has_room() {
            return !self.queue.is_empty() || self.readers.values().any(LogReader::is_due);
        }
        self.queue.iter().any(can_read_ahead)
    }

    fn event(&mut self, key: u32, role: Role, flags: EventFlags, wires: &mut Wires) {
        let Some(process) = self.processes.get_mut(&key) else {
            return;
        };
        let slot = match role {
            Role::Stdout | Role::Terminal => &mut process.outputs[0],
            Role::Stderr => &mut process.outputs[1],
            _ => return self.pump_input(key, wires),
        };
        if let Some(output) = slot {
            if !output.notice(flags) {
                *slot = None;
            }
        }
        if let Some(at) = process.silence.take() {
            wires.timers.remove(at, key, Timer::Silence);
        }
        if role == Role::Terminal && flags.contains(EventFlags::OUT) {
            self.pump_input(key, wires);
        }
        self.advance(key, wires);
    }
}

impl Sessions {
    /// Detaches a stream from a session, which keeps running.
    pub(super) fn leave(&mut self, key: u32, stream: u32, wires: &mut Wires) {
        let Some(process) = self.processes.get_mut(&key) else {
            return;
        };
        let runs = process.exit.is_none();
        let Some(shared) = process.shared.as_mut() else {
            return;
        };
        shared.watchers.retain(|viewer| viewer.stream != stream);
        if shared.is_controlled_by(stream) {
            shared.control = None;
            if shared.max_idle > 0 && runs {
                let until = clock::now().saturating_add(shared.max_idle);
                shared.idle_until = Some(until);
                wires.timers.add(until, key, Timer::Idle);
            }
        }
        self.advance(key, wires);
        self.forget_oldest();
    }
}
