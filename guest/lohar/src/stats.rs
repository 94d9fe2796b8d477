//! How full the disk and the memory are.

use crate::protocol::messages::{Failure, Stats};

pub fn read() -> Result<Stats, Failure> {
    let unreadable = |what: &str| Failure::new("io_error", format!("Cannot read {what}"));
    let disk = rustix::fs::statvfs("/").map_err(|_| unreadable("the root's size"))?;
    let memory = std::fs::read_to_string("/proc/meminfo").map_err(|_| unreadable("meminfo"))?;
    Ok(Stats {
        disk_total: disk.f_blocks * disk.f_frsize,
        disk_used: disk.f_blocks.saturating_sub(disk.f_bfree) * disk.f_frsize,
        memory_total: kilobytes(&memory, "MemTotal:") * 1024,
        memory_available: kilobytes(&memory, "MemAvailable:") * 1024,
    })
}

fn kilobytes(text: &str, name: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_meminfo() {
        let text = "MemTotal:       24684084 kB\nMemFree:        1 kB\n";
        assert_eq!(kilobytes(text, "MemTotal:"), 24_684_084);
        assert_eq!(kilobytes(text, "MemAvailable:"), 0);
    }
}
