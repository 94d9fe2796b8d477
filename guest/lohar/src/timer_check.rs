//! Whether the kernel's timers keep time. Under emulation the kernel measures its timer's rate while it boots, by counting
//! ticks that a busy host may have lost: it then sleeps too long for the rest of its life, and so would every copy of it.

use std::thread::sleep;
use std::time::{Duration, Instant};

use serde::Serialize;

const SLEEP: Duration = Duration::from_millis(20);
const TRIES: usize = 5;

#[derive(Serialize)]
pub struct Timers {
    /// How long a sleep takes, in relation to what was asked for: 1 and a little.
    pub lateness: f64,
}

/// The best of a few tries: a host that is busy just now makes single ones late.
pub fn measure() -> Timers {
    let ratio = || {
        let start = Instant::now();
        sleep(SLEEP);
        start.elapsed().as_secs_f64() / SLEEP.as_secs_f64()
    };
    Timers {
        lateness: (0..TRIES).map(|_| ratio()).fold(f64::INFINITY, f64::min),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_sleep_is_never_short() {
        let lateness = super::measure().lateness;
        assert!(lateness >= 1.0 && lateness.is_finite());
    }
}
