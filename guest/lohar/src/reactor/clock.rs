//! The two clocks: one that only goes forward, in nanoseconds, and the calendar's, in milliseconds.

use rustix::time::{clock_gettime, ClockId};

/// Stands still while the VM is paused, as timeouts should.
pub fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

pub fn unix_ms() -> u64 {
    let time = clock_gettime(ClockId::Realtime);
    time.tv_sec as u64 * 1000 + time.tv_nsec as u64 / 1_000_000
}
