//! The ways to serve: as PID 1 of a VM, and on a Unix socket of a computer that is not ours, there in a container or not.

use std::fs;
use std::io;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};

use crate::boot;
use crate::machine::Machine;
use crate::server::event_loop;
use crate::server::guest::Guest;
use crate::server::line::Line;
use crate::server::signals::Signals;

const OPEN_FILES: u64 = 65_536;
const MOST_OPEN_FILES: u64 = 524_288;

/// Runs until the VM is off. Whatever comes back is a reason for the kernel to panic.
pub fn as_init() -> String {
    crate::log::to_kernel();
    std::panic::set_hook(Box::new(|panic| crate::log::fatal(&panic.to_string())));
    let reason = boot::prepare().and_then(|port| {
        limit_open_files(MOST_OPEN_FILES);
        let served = || -> io::Result<()> {
            let signals = Signals::new()?;
            let mut guest = Guest::new(Machine::guest())?;
            let mut line = Line::port(port, &guest.wires.poller)?;
            crate::log::info(&format!("{} is ready", env!("CARGO_PKG_VERSION")));
            event_loop::run(&mut guest, &mut line, &signals)
        };
        served().map_err(|error| error.to_string())
    });
    match reason {
        Ok(()) => {
            boot::power::off();
            "the power stays on".to_owned()
        }
        Err(reason) => reason,
    }
}

pub struct Socket {
    pub path: PathBuf,
    pub place: Place,
}

pub enum Place {
    /// As a process among others, whose commands start in this directory.
    Here(String),
    /// In a container with this root.
    Container(PathBuf),
}

impl Socket {
    pub fn serve(&self) -> io::Result<()> {
        // Orphans come to us, as they come to PID 1.
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        let most = getrlimit(Resource::Nofile).maximum.unwrap_or(OPEN_FILES);
        limit_open_files(most);
        let _ = fs::remove_file(&self.path);
        let listener = UnixListener::bind(&self.path)?;
        let machine = match &self.place {
            Place::Here(directory) => {
                let logs = self.path.parent().map(PathBuf::from).unwrap_or_default();
                Machine::test(directory.clone(), logs)
            }
            Place::Container(root) => {
                boot::container::enter(root)?;
                Machine::container()
            }
        };
        let signals = Signals::new()?;
        let mut guest = Guest::new(machine)?;
        let mut line = Line::socket(listener, &guest.wires.poller)?;
        let outcome = event_loop::run(&mut guest, &mut line, &signals);
        let _ = fs::remove_file(&self.path);
        outcome
    }
}

/// Ours, and by inheritance that of all processes.
fn limit_open_files(most: u64) {
    let limit = Rlimit {
        current: Some(OPEN_FILES.min(most)),
        maximum: Some(most),
    };
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        crate::log::warn(&format!("cannot raise the limit of open files: {error}"));
    }
}
