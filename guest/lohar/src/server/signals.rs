//! Signals as readable events, and the one place that waits for children: as PID 1 we get all orphans, and a
//! second waiter would race with this one.

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use rustix::process::{WaitOptions, WaitStatus};

pub struct Signals(OwnedFd);

#[derive(Default, Clone, Copy)]
pub struct Arrived {
    pub child: bool,
    pub terminate: bool,
    /// By SIGINT.
    pub interrupt: bool,
}

impl Signals {
    pub fn new() -> std::io::Result<Self> {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: the set is initialised by the first call and outlives the others.
        let fd = unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            for signal in [libc::SIGCHLD, libc::SIGTERM, libc::SIGINT] {
                libc::sigaddset(set.as_mut_ptr(), signal);
            }
            libc::sigprocmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut());
            libc::signalfd(-1, set.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
        };
        if fd < 0 {
            return Err(std::io::Error::last_os_error());
        }
        // SAFETY: a new descriptor without another owner.
        Ok(Signals(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    pub fn descriptor(&self) -> &OwnedFd {
        &self.0
    }

    /// Takes one batch; a signal that is pending again raises a new event.
    pub fn take(&self) -> Arrived {
        const MOST: usize = 8;
        let size = size_of::<libc::signalfd_siginfo>();
        let mut batch = [MaybeUninit::<libc::signalfd_siginfo>::uninit(); MOST];
        // SAFETY: the kernel writes whole records into the batch.
        let count =
            unsafe { libc::read(self.0.as_raw_fd(), batch.as_mut_ptr().cast(), MOST * size) };
        let count = usize::try_from(count).unwrap_or(0) / size;
        let mut arrived = Arrived::default();
        for info in batch.iter().take(count) {
            // SAFETY: one of the records that were written.
            let signal = unsafe { info.assume_init_ref() }.ssi_signo as i32;
            match signal {
                libc::SIGCHLD => arrived.child = true,
                signal => {
                    arrived.terminate = true;
                    arrived.interrupt |= signal == libc::SIGINT;
                }
            }
        }
        arrived
    }
}

pub enum Reaped {
    Child(i32, WaitStatus),
    /// Some children live on.
    NoMore,
    /// There are no children at all.
    Childless,
}

pub fn reap() -> Reaped {
    match rustix::process::wait(WaitOptions::NOHANG) {
        Ok(Some((pid, status))) => Reaped::Child(pid.as_raw_nonzero().get(), status),
        Ok(None) => Reaped::NoMore,
        Err(_) => Reaped::Childless,
    }
}
