//! What goes on in the guest for its user, by which the host tells whether it is idle. The host asks every few seconds, so
//! this has to cost next to nothing.

use std::fs::File;
use std::io::{self, Read};

use crate::machine::Machine;
use crate::protocol::messages::Activity;
use crate::sessions::table::Sessions;

/// From the beginning of what the guest's own interfaces say; more are for who runs containers.
const USUAL_SIZE: usize = 2048;

pub fn read(machine: &Machine, sessions: &Sessions) -> Activity {
    let running = sessions.running();
    Activity {
        cpu_us: machine.cpu_us(),
        network_bytes: traffic().unwrap_or(0),
        commands: running.commands,
        terminals: running.terminals,
        attached: running.attached,
    }
}

fn traffic() -> io::Result<u64> {
    let mut text = Vec::with_capacity(USUAL_SIZE);
    File::open("/proc/net/dev")?.read_to_end(&mut text)?;
    Ok(bytes_moved(&String::from_utf8_lossy(&text)))
}

/// Received and sent, by all interfaces but the loopback. The two lines of headings have no colon.
fn bytes_moved(interfaces: &str) -> u64 {
    interfaces
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(name, _)| name.trim() != "lo")
        .flat_map(|(_, counters)| {
            let mut counters = counters.split_ascii_whitespace();
            [counters.next(), counters.nth(7)]
        })
        .flatten()
        .filter_map(|bytes| bytes.parse::<u64>().ok())
        .fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADINGS: &str = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
";
    const LOOPBACK: &str =
        "    lo: 7664740011  938280    0    0    0     0          0         0 7664740011  938280    0    0    0     0       0          0\n";
    const CARDS: &str = "\
  eth0: 1380467357   45651    0    0    0     0          0         7  2392027   29826    0    0    0     0       0          0
veth12:1000    1    0    0    0     0          0         0        20       1    0    0    0     0       0          0
";

    #[test]
    fn adds_up_what_all_interfaces_but_the_loopback_moved() {
        assert_eq!(bytes_moved(""), 0);
        assert_eq!(bytes_moved(&format!("{HEADINGS}{LOOPBACK}")), 0);
        let all = format!("{HEADINGS}{LOOPBACK}{CARDS}");
        assert_eq!(bytes_moved(&all), 1_380_467_357 + 2_392_027 + 1020);
    }

    #[test]
    fn reads_this_computers_interfaces() {
        assert!(traffic().is_ok());
    }
}
