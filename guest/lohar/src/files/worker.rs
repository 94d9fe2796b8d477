//! A process for the work on files: it *is* the user, so the kernel checks every step, and its wait for a disk or a slow
//! file system delays no other request. It runs one task after the other.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::Mode;
use rustix::io::Errno;
use serde::Serialize;

use super::answers::Answers;
use super::order::{parse_mode, Work};
use super::place::Trust;
use super::refusal::Explain;
use super::write::{self, Wanted};
use super::{copy, list, make, orders, pack, read, relocate, remove, unpack, watch};
use crate::accounts::Identity;
use crate::protocol::messages::Failure;

/// The worker's ends of the pipes of one piece of work.
pub struct Ends {
    pub messages: OwnedFd,
    pub input: Option<OwnedFd>,
    pub output: Option<OwnedFd>,
}

/// Forks a worker that takes its work from `line`; returns its pid.
pub fn start(line: OwnedFd, identity: &Identity) -> io::Result<i32> {
    // SAFETY: we have a single thread, so the child may do whatever the parent may.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            be_a_worker(&line, identity);
            // SAFETY: ends the child without running what the parent has registered for its own end.
            unsafe { libc::_exit(0) }
        }
        pid => Ok(pid),
    }
}

/// Until lohar lets go of its end of the line.
fn be_a_worker(line: &OwnedFd, identity: &Identity) {
    close_others(line);
    // Modes are as they are asked for.
    rustix::process::umask(Mode::empty());
    take_turns();
    let is_user = become_user(identity);
    while let Some((order, ends)) = orders::take(line) {
        let mut answers = Answers::new(ends.messages, ends.output);
        let outcome = match &is_user {
            Ok(()) => run(&order.work, ends.input, order.trust, &mut answers),
            Err(error) => Err(Errno::from_io_error(error).unwrap_or(Errno::PERM))
                .explain("become the user for", order.work.path()),
        };
        if let Err(failure) = outcome {
            answers.error(&failure);
        }
    }
}

fn run(
    work: &Work,
    input: Option<OwnedFd>,
    trust: Trust,
    answers: &mut Answers,
) -> Result<(), Failure> {
    match work {
        Work::Read { path, part } => {
            let done = read::read(path, *part, trust, answers);
            tell(done, answers)
        }
        Work::List { path, page } => tell(list::list(path, page, trust, answers), answers),
        Work::Stat { path, follow } => list::stat(path, follow.unwrap_or(true), trust, answers),
        Work::Mkdir {
            path,
            mode,
            parents,
        } => {
            let mode = mode.as_deref().map_or(Ok(0o755), parse_mode)?;
            tell(make::make(path, mode, *parents, trust), answers)
        }
        Work::Remove { path, recursive } => tell(remove::remove(path, *recursive, trust), answers),
        Work::Move { from, to } => {
            copy::heed_the_end();
            tell(relocate::relocate(from, to, trust), answers)
        }
        Work::Copy {
            from,
            to,
            recursive,
        } => {
            copy::heed_the_end();
            tell(copy::copy(from, to, *recursive, trust), answers)
        }
        Work::Pack { path, sparse } => {
            let done = pack::pack(path, *sparse, trust, answers);
            tell(done, answers)
        }
        Work::Watch { path, recursive } => {
            tell(watch::watch(path, *recursive, trust, answers), answers)
        }
        Work::Unpack { path } => {
            let input = input.ok_or(Errno::BADF).explain("extract to", path)?;
            tell(unpack::unpack(path, trust, input, answers), answers)
        }
        Work::Write {
            path,
            size,
            mode,
            owner,
            keep,
        } => {
            let wanted = Wanted {
                size: *size,
                mode: *mode,
                owner: *owner,
                keep: *keep,
            };
            let input = input.ok_or(Errno::BADF).explain("write", path)?;
            tell(write::write(path, &wanted, trust, &input), answers)
        }
    }
}

fn tell<T: Serialize>(outcome: Result<T, Failure>, answers: &Answers) -> Result<(), Failure> {
    answers.result(&outcome?);
    Ok(())
}

/// Inherited ends of other processes' pipes would keep those open.
fn close_others(kept: &OwnedFd) {
    let kept = kept.as_raw_fd() as u32;
    let first = libc::STDERR_FILENO as u32 + 1;
    for (first, last) in [(first, kept - 1), (kept + 1, u32::MAX)] {
        if first <= last {
            // SAFETY: nothing of what is closed is used again in this process.
            unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
        }
    }
}

/// Whoever of lohar and a worker runs goes on until its pipe is full or empty: without this each piece of 4 KiB to 64 KiB
/// costs two changes of process, which are what an emulated processor is slowest at.
fn take_turns() {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: reads the parameters. If it is refused all works, slower.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &parameters) };
}

fn become_user(identity: &Identity) -> io::Result<()> {
    if !identity.switch {
        return Ok(());
    }
    // SAFETY: plain system calls on values that outlive them.
    let refused = unsafe {
        libc::setgroups(identity.groups.len(), identity.groups.as_ptr()) != 0
            || libc::setgid(identity.gid) != 0
            || libc::setuid(identity.uid) != 0
    };
    if refused {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
