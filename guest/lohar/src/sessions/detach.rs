//! What a stream of a process does after it was opened: it takes more, or leaves.

use super::endings::forget_timers;
use super::table::Sessions;
use crate::reactor::clock;
use crate::reactor::timers::Timer;
use crate::reactor::wires::Wires;

impl Sessions {
    /// The host takes so much more.
    pub fn credit(&mut self, key: u32, stream: u32, bytes: u32, wires: &mut Wires) {
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

    /// Nobody listens any more: input ends, output is dropped, the process goes on. A session keeps both.
    pub fn detach(&mut self, key: u32, stream: u32, wires: &mut Wires) {
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

    /// A stream lets go of a session, which goes on.
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
