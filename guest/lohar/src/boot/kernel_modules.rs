//! The kernel modules that the initramfs brings along.

use std::fs;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// Loads the files that `/modules/order` names, one a line, in that order.
pub fn load() {
    let order = fs::read_to_string("/modules/order").unwrap_or_default();
    for name in order.lines().map(str::trim).filter(|name| !name.is_empty()) {
        match load_one(name) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => crate::log::warn(&format!("module {name}: {error}")),
        }
    }
}

fn load_one(name: &str) -> rustix::io::Result<()> {
    let path = format!("/modules/{name}");
    let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::system::finit_module(&file, c"", 0)
}
