//! A guest in a container instead of a VM, for tests of the daemon on any Linux: processes, files, network and host name of
//! its own, on a kernel whose clock, randomness and devices are the host's. Needs root.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{symlink, PermissionsExt};
use std::path::Path;

use rustix::event::{poll, PollFd, PollFlags};
use rustix::fs::Mode;
use rustix::mount::{
    mount_bind, mount_bind_recursive, mount_change, mount_remount, unmount, MountFlags,
    MountPropagationFlags, UnmountFlags,
};
use rustix::process::{chdir, pivot_root, umask};

use super::{loopback, mounts, skeleton};
use crate::server::signals::{reap, Reaped, Signals};

const NAMESPACES: i32 = libc::CLONE_NEWNS
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWPID;

/// The host's programs, read-only.
const PROGRAMS: [&str; 8] = [
    "usr",
    "bin",
    "sbin",
    "lib",
    "lib32",
    "lib64",
    "libx32",
    "etc/alternatives",
];
const DEVICES: [&str; 6] = ["full", "null", "random", "tty", "urandom", "zero"];

/// Returns in a child that is PID 1 of the container. The calling process stays outside and ends as the child does: it
/// passes SIGTERM on, and kills the container on SIGINT. The container ends with it, as it does with the process that
/// started it.
pub fn enter(root: &Path) -> io::Result<()> {
    // Before the fork, so that no signal is lost.
    let signals = Signals::new()?;
    end_with_parent()?;
    // SAFETY: touches no memory.
    check(unsafe { libc::unshare(NAMESPACES) }).map_err(explain)?;
    // SAFETY: we have a single thread, so the child may do whatever the parent may.
    let child = check(unsafe { libc::fork() })?;
    if child != 0 {
        supervise(child, &signals);
    }
    end_with_parent()?;
    // What the kernel gives to PID 1.
    umask(Mode::from_raw_mode(0o022));
    build(root)?;
    mounts::prepare_container();
    loopback::bring_up();
    skeleton::directory("/root", 0o700, None);
    skeleton::directory("/dev/shm", 0o1777, None);
    Ok(())
}

fn end_with_parent() -> io::Result<()> {
    // SAFETY: touches no memory.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) }).map(drop)
}

fn supervise(child: i32, signals: &Signals) -> ! {
    loop {
        // A failure is a signal that came meanwhile.
        let _ = poll(
            &mut [PollFd::new(signals.descriptor(), PollFlags::IN)],
            None,
        );
        let arrived = signals.take();
        if arrived.terminate {
            let signal = match arrived.interrupt {
                true => libc::SIGKILL,
                false => libc::SIGTERM,
            };
            // SAFETY: a child that has not been waited for, so that the pid is still its own.
            unsafe { libc::kill(child, signal) };
        }
        if let Reaped::Child(_, status) = reap() {
            let signal = status.terminating_signal().map(|signal| 128 + signal);
            std::process::exit(status.exit_status().or(signal).unwrap_or(1));
        }
    }
}

fn build(root: &Path) -> io::Result<()> {
    mount_change(
        "/",
        MountPropagationFlags::REC | MountPropagationFlags::PRIVATE,
    )?;
    mount_bind(root, root)?;
    for name in PROGRAMS {
        share(root, name)?;
    }
    let devices = root.join("dev");
    fs::create_dir_all(&devices)?;
    for name in DEVICES {
        let device = devices.join(name);
        File::create(&device)?;
        mount_bind(Path::new("/dev").join(name), &device)?;
    }
    replace_link("pts/ptmx", &devices.join("ptmx"))?;
    chdir(root)?;
    // The old root lies over the new one then, and is taken off it.
    pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    chdir("/")?;
    fs::set_permissions("/", Permissions::from_mode(0o755))
}

fn share(root: &Path, name: &str) -> io::Result<()> {
    let (theirs, ours) = (Path::new("/").join(name), root.join(name));
    let Ok(metadata) = fs::symlink_metadata(&theirs) else {
        return Ok(());
    };
    if metadata.is_symlink() {
        return replace_link(fs::read_link(&theirs)?, &ours);
    }
    fs::create_dir_all(&ours)?;
    mount_bind_recursive(&theirs, &ours)?;
    Ok(mount_remount(
        &ours,
        MountFlags::BIND | MountFlags::RDONLY,
        c"",
    )?)
}

/// A root that was used before has it already.
fn replace_link(target: impl AsRef<Path>, link: &Path) -> io::Result<()> {
    match symlink(target, link) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        outcome => outcome,
    }
}

fn explain(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::PermissionDenied => io::Error::other("a container needs root"),
        _ => error,
    }
}

fn check(outcome: i32) -> io::Result<i32> {
    match outcome {
        -1 => Err(io::Error::last_os_error()),
        value => Ok(value),
    }
}
