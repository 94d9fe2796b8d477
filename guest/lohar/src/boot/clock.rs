//! The calendar's clock, which lags behind in a restored VM by as long as it slept.

use rustix::time::{clock_settime, ClockId, Timespec};

pub fn set(unix_ns: u64) -> rustix::io::Result<()> {
    let time = Timespec {
        tv_sec: (unix_ns / 1_000_000_000) as i64,
        tv_nsec: (unix_ns % 1_000_000_000) as i64,
    };
    clock_settime(ClockId::Realtime, time)
}
