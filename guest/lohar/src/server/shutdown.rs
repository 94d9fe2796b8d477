//! Shutdown: SIGTERM to all processes, then SIGKILL, then the disks are synced and the machine powers off.

use super::guest::Guest;
use crate::machine::Scope;
use crate::reactor::clock;
use crate::reactor::timers::Timer;

const PATIENCE: u64 = 2_000_000_000;

#[derive(Default)]
pub struct Shutdown {
    phase: Phase,
}

#[derive(Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Running,
    Asked,
    Over,
}

impl Shutdown {
    pub fn is_under_way(&self) -> bool {
        self.phase != Phase::Running
    }

    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }
}

impl Guest {
    pub fn begin_shutdown(&mut self) {
        if self.shutdown.is_under_way() {
            return;
        }
        self.shutdown.phase = Phase::Asked;
        self.files.give_up();
        // A frozen process could not end.
        if let Some(cgroup) = &self.machine.cgroup {
            let _ = cgroup.set_frozen(false);
        }
        self.signal_all(libc::SIGTERM);
        self.wires
            .timers
            .add(clock::now() + PATIENCE, 0, Timer::Shutdown);
        self.reap();
    }

    /// No process is left, or their time is.
    pub fn finish_shutdown(&mut self) {
        if self.shutdown.phase == Phase::Asked {
            self.signal_all(libc::SIGKILL);
            self.shutdown.phase = Phase::Over;
        }
    }

    fn signal_all(&self, signal: i32) {
        if self.machine.scope != Scope::Nothing {
            // SAFETY: touches no memory. As PID 1 this reaches all but ourselves.
            unsafe { libc::kill(-1, signal) };
        } else {
            self.sessions.signal_all(signal);
        }
    }
}
