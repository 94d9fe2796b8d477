//! `lohar init-leader SHELL ARGUMENT…`: leads the init script's terminal session in the script's place.
//!
//! When the leader of a terminal session ends, the kernel sends SIGHUP to the terminal's foreground group. A script's
//! shell has no job control: what it starts in the background is in its own group, and that is the foreground group. So
//! a shell that led the session would take every service it has started with it (even under `nohup`, when the script
//! ends before `nohup` has got to ignoring the signal). Without the terminal as its controlling one there would be no
//! SIGHUP, but no ^C, no `/dev/tty` and no news of a new size for who attaches to it, either.
//!
//! We stay in the script's group, where no signal but SIGKILL touches us, and put another group into the foreground
//! before we end as the script did. The terminal itself stays as long as a process has it open; PID 1 goes on reading it.

use std::io;
use std::mem::MaybeUninit;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitCode, ExitStatus};

pub const NAME: &str = "init-leader";

const STDIN: i32 = 0;

pub fn main(arguments: &[&str]) -> ExitCode {
    let [shell, arguments @ ..] = arguments else {
        eprintln!("lohar: the init script has no shell");
        return ExitCode::from(2);
    };
    match run(shell, arguments) {
        Ok(status) => end_as(status),
        Err(error) => {
            let missing = error.kind() == io::ErrorKind::NotFound;
            eprintln!("lohar: {shell}: {error}");
            ExitCode::from(if missing { 127 } else { 126 })
        }
    }
}

fn run(shell: &str, arguments: &[&str]) -> io::Result<ExitStatus> {
    set_blocked(true)?;
    let mut command = Command::new(shell);
    command.args(arguments);
    // SAFETY: makes nothing but two system calls.
    unsafe { command.pre_exec(|| set_blocked(false)) };
    let status = command.spawn()?.wait();
    if let Err(error) = spare_the_group() {
        crate::log::warn(&format!(
            "the init script takes all it started along: {error}"
        ));
    }
    status
}

/// All signals or none.
fn set_blocked(blocked: bool) -> io::Result<()> {
    let mut signals = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the set is initialised by the first call.
    check(unsafe {
        if blocked {
            libc::sigfillset(signals.as_mut_ptr());
        } else {
            libc::sigemptyset(signals.as_mut_ptr());
        }
        libc::sigprocmask(libc::SIG_SETMASK, signals.as_ptr(), std::ptr::null_mut())
    })
}

/// The foreground group becomes that of a child that has ended: it has not been waited for, so its group still exists.
fn spare_the_group() -> io::Result<()> {
    // SAFETY: we have a single thread; the child makes two system calls, the last of which ends it.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            libc::setpgid(0, 0);
            libc::_exit(0);
        }
        check(child)?;
        let mut info = MaybeUninit::<libc::siginfo_t>::uninit();
        let flags = libc::WEXITED | libc::WNOWAIT;
        check(libc::waitid(
            libc::P_PID,
            child as libc::id_t,
            info.as_mut_ptr(),
            flags,
        ))?;
        check(libc::tcsetpgrp(STDIN, child))
    }
}

/// Whoever waits for us is told what became of the script.
fn end_as(status: ExitStatus) -> ExitCode {
    if let Some(signal) = status.signal() {
        die_of(signal);
        return ExitCode::from(u8::try_from(128 + signal).unwrap_or(u8::MAX));
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    ExitCode::from(code.unwrap_or(1))
}

fn die_of(signal: i32) {
    let mut signals = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the set is initialised before it is used. Only this signal comes through: others that the group has got
    // wait for us as well. A core of this process would tell nothing about the script.
    unsafe {
        libc::prctl(libc::PR_SET_DUMPABLE, 0);
        libc::signal(signal, libc::SIG_DFL);
        libc::kill(libc::getpid(), signal);
        libc::sigemptyset(signals.as_mut_ptr());
        libc::sigaddset(signals.as_mut_ptr(), signal);
        libc::sigprocmask(libc::SIG_UNBLOCK, signals.as_ptr(), std::ptr::null_mut());
    }
}

fn check(outcome: i32) -> io::Result<()> {
    match outcome {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
