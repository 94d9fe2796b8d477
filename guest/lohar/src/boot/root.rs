//! From the initramfs into the sandbox's own root.

use std::fs;
use std::path::Path;

use rustix::mount::{mount_move, unmount, MountFlags, UnmountFlags};

use super::{device, initramfs, mounts, own_files, skeleton, sudo_access, users};
use crate::protocol::messages::{Failure, MountRoot};
use crate::reason::reason_of;

const NEW: &str = "/newroot";
const MODULES: &str = "/dev/vdb";

pub fn mount(request: &MountRoot) -> Result<(), Failure> {
    let name = &request.device;
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        let message = format!("Invalid device name '{name}'");
        return Err(Failure::bad_request(message));
    }
    let path = format!("/dev/{name}");
    attach(&path, request.grow).map_err(|error| {
        let _ = unmount(NEW, UnmountFlags::DETACH);
        Failure::new(
            "mount_failed",
            format!("Cannot mount '{path}': {}", reason_of(&error)),
        )
    })?;
    switch().map_err(|error| {
        Failure::new(
            "mount_failed",
            format!("Cannot switch to '{path}': {}", reason_of(&error)),
        )
    })?;
    furnish();
    sudo_access::grant();
    mount_modules();
    Ok(())
}

/// Adds what an image may lack.
pub fn furnish() {
    skeleton::make();
    users::make();
    own_files::cover();
}

fn attach(path: &str, grow: bool) -> std::io::Result<()> {
    fs::create_dir_all(NEW)?;
    // Freed blocks go back to the host; access times and the zeroing of unused inode tables would only fill the
    // overlay of every clone.
    device::mount(path, NEW, MountFlags::NOATIME, c"discard,noinit_itable")?;
    if grow {
        device::grow(path, NEW)?;
    }
    Ok(())
}

fn switch() -> std::io::Result<()> {
    let old = fs::File::open("/")?;
    for path in mounts::MOVED {
        let target = format!("{NEW}{path}");
        fs::create_dir_all(&target)?;
        mount_move(path, &target)?;
    }
    rustix::process::chdir(NEW)?;
    mount_move(".", "/")?;
    rustix::process::chroot(".")?;
    rustix::process::chdir("/")?;
    initramfs::free(&old);
    Ok(())
}

/// The modules of the kernel that runs, for `modprobe`; an image brings those of another, or none.
fn mount_modules() {
    if !Path::new(MODULES).exists() {
        return;
    }
    let merged = fs::symlink_metadata("/lib").is_ok_and(|data| data.is_symlink());
    let target = if merged {
        "/usr/lib/modules"
    } else {
        "/lib/modules"
    };
    let outcome = fs::create_dir_all(target).and_then(|()| {
        let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
        Ok(rustix::mount::mount(MODULES, target, "ext4", flags, c"")?)
    });
    if let Err(error) = outcome {
        crate::log::info(&format!("no kernel modules from {MODULES}: {error}"));
    }
}
