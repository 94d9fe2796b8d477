//! The end of the VM.

use rustix::mount::{mount_remount, MountFlags};
use rustix::system::{reboot, RebootCommand};

/// Writes everything out and turns the VM off. Returns only if the kernel refuses.
pub fn off() {
    // SAFETY: touches no memory.
    unsafe { libc::sync() };
    // Fails while a process still writes; everything is written out by now.
    let _ = mount_remount("/", MountFlags::RDONLY, c"");
    if let Err(error) = reboot(RebootCommand::PowerOff) {
        crate::log::fatal(&format!("cannot power off: {error}"));
    }
}

pub fn ignore_ctrl_alt_del() {
    let _ = reboot(RebootCommand::CadOff);
}
