//! Freezing and thawing all user processes. The kernel takes its time; we look every millisecond, for two seconds.

use super::clock;
use super::guest::Guest;
use super::timers::Timer;
use crate::protocol::messages::{Failure, Nothing, Stage};
use crate::reason::reason;

const LOOK_AGAIN: u64 = 1_000_000;
const GIVE_UP: u64 = 2_000_000_000;

#[derive(Default)]
pub struct Freezer {
    change: Option<Change>,
}

struct Change {
    frozen: bool,
    until: u64,
    requests: Vec<u64>,
}

impl Freezer {
    pub fn forget_requests(&mut self) {
        if let Some(change) = &mut self.change {
            change.requests.clear();
        }
    }
}

impl Guest {
    pub fn set_frozen(&mut self, id: u64, frozen: bool) -> Result<(), Failure> {
        if self.machine.stage == Stage::Initramfs {
            // Nothing of the user's can run yet.
            self.reply(id, &Nothing {});
            return Ok(());
        }
        if let Some(cgroup) = &self.machine.cgroup {
            cgroup
                .set_frozen(frozen)
                .map_err(|error| Failure::new("freeze_failed", reason(error)))?;
        }
        self.sessions.frozen = frozen;
        self.overtake(frozen);
        let until = clock::now() + GIVE_UP;
        let change = self.freezer.change.get_or_insert_with(|| Change {
            frozen,
            until,
            requests: Vec::new(),
        });
        change.requests.push(id);
        self.check_freezer();
        Ok(())
    }

    /// Whoever waits for the opposite waits in vain.
    fn overtake(&mut self, frozen: bool) {
        let opposite = self
            .freezer
            .change
            .take_if(|change| change.frozen != frozen);
        if let Some(change) = opposite {
            self.refuse_change(&change);
        }
    }

    pub fn check_freezer(&mut self) {
        let Some(change) = &self.freezer.change else {
            return;
        };
        let cgroup = self.machine.cgroup.as_ref();
        let done = cgroup.map_or(true, |cgroup| cgroup.is_frozen() == change.frozen);
        let now = clock::now();
        if !done && now < change.until {
            self.wires.timers.add(now + LOOK_AGAIN, 0, Timer::Freezer);
            return;
        }
        let Some(change) = self.freezer.change.take() else {
            return;
        };
        if done {
            for &id in &change.requests {
                self.reply(id, &Nothing {});
            }
        } else {
            self.refuse_change(&change);
            // Half frozen is no state to stay in.
            if let (true, Some(cgroup)) = (change.frozen, &self.machine.cgroup) {
                let _ = cgroup.set_frozen(false);
                self.sessions.frozen = false;
            }
        }
        if !self.sessions.frozen {
            self.sessions
                .start_waiting(&mut self.wires, &mut self.machine);
        }
    }

    fn refuse_change(&mut self, change: &Change) {
        let message = if change.frozen {
            "Not all processes could be frozen"
        } else {
            "Not all processes could be thawed"
        };
        for &id in &change.requests {
            self.refuse(Some(id), &Failure::new("freeze_failed", message));
        }
    }
}
