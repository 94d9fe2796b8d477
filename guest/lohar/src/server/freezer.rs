//! Freezing and thawing all user processes. Freezing takes the kernel its time, as each process has to be caught: we
//! look every millisecond, for two seconds. Thawed they are at once: from then on nothing keeps them from running.

use super::guest::Guest;
use crate::machine::Scope;
use crate::protocol::messages::{Failure, Nothing, Stage};
use crate::reactor::clock;
use crate::reactor::timers::Timer;
use crate::reason::reason;

const LOOK_AGAIN: u64 = 1_000_000;
const GIVE_UP: u64 = 2_000_000_000;

#[derive(Default)]
pub struct Freezer {
    /// Requests to freeze that are not answered yet, and when they will have to be.
    waiting: Vec<u64>,
    until: Option<u64>,
}

impl Freezer {
    pub fn forget_requests(&mut self) {
        self.waiting.clear();
    }
}

impl Guest {
    /// Answers when all processes are frozen.
    pub fn freeze(&mut self, id: u64) -> Result<(), Failure> {
        if self.machine.stage == Stage::Initramfs {
            // Nothing of the user's can run yet.
            self.reply(id, &Nothing {});
            return Ok(());
        }
        if let Some(cgroup) = &self.machine.cgroup {
            cgroup.own.leave_for_root().map_err(|error| {
                let reason = reason(error);
                let message = format!("The agent cannot return to the root cgroup: {reason}");
                Failure::new("freeze_failed", message)
            })?;
        }
        self.change_cgroup(true)?;
        self.sessions.frozen = true;
        self.freezer.waiting.push(id);
        self.freezer
            .until
            .get_or_insert_with(|| clock::now() + GIVE_UP);
        self.check_freezer();
        Ok(())
    }

    pub fn thaw(&mut self) -> Result<(), Failure> {
        self.change_cgroup(false)?;
        self.sessions.frozen = false;
        self.refuse_freezing("The guest was thawed");
        self.sessions
            .start_waiting(&mut self.wires, &mut self.machine);
        Ok(())
    }

    pub fn check_freezer(&mut self) {
        let Some(until) = self.freezer.until else {
            return;
        };
        let cgroup = self.machine.cgroup.as_ref();
        let now = clock::now();
        if cgroup.map_or(true, |cgroup| cgroup.is_frozen()) {
            self.freezer.until = None;
            for id in std::mem::take(&mut self.freezer.waiting) {
                self.reply(id, &Nothing {});
            }
        } else if now < until {
            self.wires.timers.add(now + LOOK_AGAIN, 0, Timer::Freezer);
        } else {
            self.refuse_freezing("Cannot freeze all processes");
            // Half frozen is no state to stay in.
            if let Err(failure) = self.thaw() {
                crate::log::warn(&failure.message);
            }
        }
    }

    fn change_cgroup(&self, frozen: bool) -> Result<(), Failure> {
        let Some(cgroup) = &self.machine.cgroup else {
            // Said to be frozen, processes would go on running in whatever is made of this guest.
            return match frozen && self.machine.scope == Scope::Computer {
                true => Err(Failure::new(
                    "freeze_failed",
                    "No cgroup for user processes",
                )),
                false => Ok(()),
            };
        };
        cgroup
            .set_frozen(frozen)
            .map_err(|error| Failure::new("freeze_failed", reason(error)))
    }

    fn refuse_freezing(&mut self, message: &str) {
        self.freezer.until = None;
        for id in std::mem::take(&mut self.freezer.waiting) {
            self.refuse(Some(id), &Failure::new("freeze_failed", message));
        }
    }
}
