//! Moments at which something is to be done. With none set, the loop sleeps without end.

use std::collections::BTreeSet;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Timer {
    /// A process has run for as long as it may.
    Deadline,
    /// Nothing came from a process's grandchildren.
    Silence,
    /// A session has been detached for as long as it may.
    Idle,
    /// A terminal gets its true size, so that what runs in it draws again.
    Redraw,
    /// The note about a gap at the end of a log is written, if the disk has room for it.
    Gap,
    /// Look again whether all are frozen, or thawed.
    Freezer,
    /// The time to end by themselves is over for all processes.
    Shutdown,
}

#[derive(Default)]
pub struct Timers(BTreeSet<(u64, u32, Timer)>);

impl Timers {
    pub fn add(&mut self, at: u64, key: u32, timer: Timer) {
        self.0.insert((at, key, timer));
    }

    pub fn remove(&mut self, at: u64, key: u32, timer: Timer) {
        self.0.remove(&(at, key, timer));
    }

    pub fn next(&self) -> Option<u64> {
        self.0.first().map(|&(at, _, _)| at)
    }

    pub fn take_due(&mut self, now: u64) -> Option<(u32, Timer)> {
        if self.next()? > now {
            return None;
        }
        self.0.pop_first().map(|(_, key, timer)| (key, timer))
    }
}
