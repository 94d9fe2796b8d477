//! The kernel's own file systems.

use std::ffi::CString;
use std::fs;
use std::os::unix::fs::symlink;

use rustix::io::Errno;
use rustix::mount::MountFlags;

struct Mount {
    kind: &'static str,
    target: &'static str,
    flags: MountFlags,
    options: &'static str,
}

const SAFE: MountFlags = MountFlags::NOSUID
    .union(MountFlags::NODEV)
    .union(MountFlags::NOEXEC);

const MOUNTS: [Mount; 8] = [
    mount("devtmpfs", "/dev", MountFlags::NOSUID, "mode=0755"),
    mount("proc", "/proc", SAFE, ""),
    mount("sysfs", "/sys", SAFE, ""),
    mount("cgroup2", "/sys/fs/cgroup", SAFE, ""),
    mount(
        "devpts",
        "/dev/pts",
        MountFlags::NOSUID.union(MountFlags::NOEXEC),
        "mode=0620,gid=5,ptmxmode=0666",
    ),
    mount(
        "tmpfs",
        "/dev/shm",
        MountFlags::NOSUID.union(MountFlags::NODEV),
        "mode=1777",
    ),
    mount(
        "tmpfs",
        "/run",
        MountFlags::NOSUID.union(MountFlags::NODEV),
        "mode=0755",
    ),
    // Apart from /run, because a set-user-id program lives here.
    mount(
        "tmpfs",
        "/run/lohar",
        MountFlags::NODEV,
        "mode=0755,size=8m",
    ),
];

/// These move into the root that is mounted later, with all that is mounted on them.
pub const MOVED: [&str; 4] = ["/dev", "/proc", "/sys", "/run"];

const LINKS: [(&str, &str); 4] = [
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
];

const fn mount(
    kind: &'static str,
    target: &'static str,
    flags: MountFlags,
    options: &'static str,
) -> Mount {
    Mount {
        kind,
        target,
        flags,
        options,
    }
}

pub fn prepare() {
    mount_all(MOUNTS.into_iter());
}

/// Without those that show the host's devices. The files of a container's /dev/shm lie in its root, where its owner finds them.
pub fn prepare_container() {
    let shows_host = |mount: &Mount| ["devtmpfs", "sysfs", "cgroup2"].contains(&mount.kind);
    let is_memory = |mount: &Mount| mount.target == "/dev/shm";
    let mounts = MOUNTS.into_iter();
    mount_all(mounts.filter(|mount| !shows_host(mount) && !is_memory(mount)));
}

fn mount_all(mounts: impl Iterator<Item = Mount>) {
    for mount in mounts {
        let _ = fs::create_dir_all(mount.target);
        let options = CString::new(mount.options).unwrap_or_default();
        let outcome = rustix::mount::mount(
            mount.kind,
            mount.target,
            mount.kind,
            mount.flags,
            options.as_c_str(),
        );
        match outcome {
            // A kernel may mount devtmpfs by itself.
            Ok(()) | Err(Errno::BUSY) => {}
            Err(error) => crate::log::warn(&format!("cannot mount {}: {error}", mount.target)),
        }
    }
    for (target, link) in LINKS {
        let _ = symlink(target, link);
    }
}
