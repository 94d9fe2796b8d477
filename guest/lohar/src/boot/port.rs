//! The virtio-serial port that leads to the daemon.

use std::fs;
use std::os::fd::OwnedFd;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};

const NAME: &str = "bhatti.agent";
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(2);

/// The device appears a moment after its module is loaded.
pub fn open() -> Result<OwnedFd, String> {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(device) = find() {
            let path = format!("/dev/{device}");
            let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
            match rustix::fs::open(&path, flags, Mode::empty()) {
                Ok(port) => return Ok(port),
                Err(error) if Instant::now() > until => {
                    return Err(format!("cannot open '{path}': {error}"));
                }
                Err(_) => {}
            }
        } else if Instant::now() > until {
            return Err(format!("there is no virtio port '{NAME}'"));
        }
        sleep(PAUSE);
    }
}

fn find() -> Option<String> {
    let ports = fs::read_dir("/sys/class/virtio-ports").ok()?;
    ports.flatten().find_map(|port| {
        let name = fs::read_to_string(port.path().join("name")).ok()?;
        let device = port.file_name().into_string().ok()?;
        (name.trim_end() == NAME).then_some(device)
    })
}
