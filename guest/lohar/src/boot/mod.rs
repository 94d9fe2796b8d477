//! Making a running guest out of a bare kernel, and a particular sandbox out of that.

pub mod atomic_file;
pub mod cgroup;
pub mod clock;
pub mod container;
pub mod device;
pub mod entropy;
pub mod hardware_address;
pub mod hostname;
pub mod identity;
pub mod initramfs;
pub mod interface;
pub mod kernel_modules;
pub mod loopback;
pub mod mounts;
pub mod network;
pub mod own_files;
pub mod port;
pub mod power;
pub mod root;
pub mod session_logs;
pub mod skeleton;
pub mod sockets;
pub mod sudo_access;
pub mod users;

use std::os::fd::OwnedFd;

/// Everything that does not need a root disk, so that a saved VM has it behind itself.
pub fn prepare() -> Result<OwnedFd, String> {
    mounts::prepare();
    power::ignore_ctrl_alt_del();
    kernel_modules::load();
    loopback::bring_up();
    sudo_access::keep_a_copy();
    initramfs::free_files();
    port::open()
}
