//! The rate of this computer's time-stamp counter, which an emulated guest has to be told.

use std::arch::x86_64::_rdtsc;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use rustix::time::{clock_gettime, ClockId};

const SAMPLES: usize = 5;
const SAMPLE: Duration = Duration::from_millis(40);

pub fn main() -> ExitCode {
    let mut rates: Vec<u64> = (0..SAMPLES).map(|_| sample()).collect();
    rates.sort_unstable();
    match rates.get(SAMPLES / 2) {
        Some(&rate) if rate > 0 => {
            println!("{rate}");
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("lohar: the time-stamp counter does not count");
            ExitCode::FAILURE
        }
    }
}

/// In kHz.
fn sample() -> u64 {
    let (start, from) = read();
    sleep(SAMPLE);
    let (end, to) = read();
    let nanoseconds = u128::from(to.saturating_sub(from)).max(1);
    let ticks = u128::from(end.saturating_sub(start));
    u64::try_from(ticks * 1_000_000 / nanoseconds).unwrap_or(0)
}

/// Counter and clock of one moment: the closest pair of a few, as we may be interrupted between the two.
fn read() -> (u64, u64) {
    let mut best = (u64::MAX, 0, 0);
    for _ in 0..16 {
        // SAFETY: every x86_64 has the counter.
        let before = unsafe { _rdtsc() };
        let time = clock_gettime(ClockId::MonotonicRaw);
        // SAFETY: as above.
        let after = unsafe { _rdtsc() };
        let nanoseconds = time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64;
        let gap = after.saturating_sub(before);
        if gap < best.0 {
            best = (gap, before + gap / 2, nanoseconds);
        }
    }
    (best.1, best.2)
}
