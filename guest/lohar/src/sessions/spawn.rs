//! Starts a process with one `clone3`: it shares our memory until it has called `execve`, so nothing is copied, and it
//! is born inside its cgroup, which spares it the slow move into one. We sleep meanwhile.

use std::arch::asm;
use std::ffi::{c_char, c_int, c_long, CStr};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::ptr;

use rustix::io::Errno;

use super::command::Command;
use crate::accounts::Identity;

const STACK: usize = 64 * 1024;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
const EXECUTED: c_int = -1;
const SHELL: &CStr = c"/bin/sh";

pub struct Spawner {
    /// The child's, which only one uses at a time.
    stack: Box<[u128]>,
}

pub struct Child<'a> {
    pub command: &'a mut Command,
    /// Descriptors of ours above 2, to become 0, 1 and 2.
    pub stdio: [BorrowedFd<'a>; 3],
    /// Whether `stdio` is a terminal that the process shall control.
    pub terminal: bool,
    /// Whether no terminal shall concern it.
    pub apart: bool,
    pub identity: &'a Identity,
    pub cgroup: Option<BorrowedFd<'a>>,
}

pub struct Spawned {
    pub pid: i32,
    /// Why the program could not be executed; the process has exited then.
    pub failed: Option<ExecFailure>,
}

pub struct ExecFailure {
    /// As of a shell: 126 or 127.
    pub exit_code: i32,
    pub reason: &'static str,
}

pub enum SpawnError {
    Process(Errno),
    Directory(Errno),
    Credentials(Errno),
    Output(Errno),
}

/// What the child reads, and where it leaves what went wrong before `execve`.
struct Plan {
    stdio: [RawFd; 3],
    terminal: bool,
    apart: bool,
    switch: bool,
    uid: u32,
    gid: u32,
    groups: *const u32,
    group_count: usize,
    directory: *const c_char,
    output: *const c_char,
    candidates: *const *const c_char,
    argv: *mut *const c_char,
    envp: *const *const c_char,
    directory_error: c_int,
    credentials_error: c_int,
    output_error: c_int,
    /// `EXECUTED`, or what `execute` returned.
    exec_error: c_int,
}

#[repr(C)]
#[derive(Default)]
struct CloneArguments {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

impl Spawner {
    pub fn new() -> Self {
        Spawner {
            stack: vec![0; STACK / size_of::<u128>()].into_boxed_slice(),
        }
    }

    pub fn spawn(&mut self, child: Child<'_>) -> Result<Spawned, SpawnError> {
        let identity = child.identity;
        let mut plan = Plan {
            stdio: child.stdio.map(|fd| fd.as_raw_fd()),
            terminal: child.terminal,
            apart: child.apart,
            switch: identity.switch,
            uid: identity.uid,
            gid: identity.gid,
            groups: identity.groups.as_ptr(),
            group_count: identity.groups.len(),
            directory: child.command.directory,
            output: child.command.output,
            candidates: child.command.candidates.as_ptr(),
            argv: child.command.argv.as_mut_ptr(),
            envp: child.command.envp.as_ptr(),
            directory_error: 0,
            credentials_error: 0,
            output_error: 0,
            exec_error: EXECUTED,
        };
        let mut arguments = CloneArguments {
            flags: (libc::CLONE_VM | libc::CLONE_VFORK) as u64,
            exit_signal: libc::SIGCHLD as u64,
            stack: self.stack.as_mut_ptr() as u64,
            stack_size: STACK as u64,
            ..CloneArguments::default()
        };
        if let Some(cgroup) = child.cgroup {
            arguments.flags |= CLONE_INTO_CGROUP;
            arguments.cgroup = cgroup.as_raw_fd() as u64;
        }
        // SAFETY: the plan and all that it points to outlive the call, which returns when the child shares our memory
        // no more; the stack is the child's alone.
        let pid = unsafe { clone_and_run(&arguments, &mut plan) };
        if pid < 0 {
            return Err(SpawnError::Process(Errno::from_raw_os_error(-pid as i32)));
        }
        let pid = pid as i32;
        // SAFETY: a plain read; volatile because the child has written behind the compiler's back.
        let (directory, credentials, output, exec) = unsafe {
            (
                ptr::read_volatile(&plan.directory_error),
                ptr::read_volatile(&plan.credentials_error),
                ptr::read_volatile(&plan.output_error),
                ptr::read_volatile(&plan.exec_error),
            )
        };
        if directory == 0 && credentials == 0 && output == 0 {
            let failed = (exec != EXECUTED).then(|| ExecFailure {
                exit_code: exit_code(exec),
                reason: why(exec),
            });
            return Ok(Spawned { pid, failed });
        }
        let pid = rustix::process::Pid::from_raw(pid);
        let _ = rustix::process::waitpid(pid, rustix::process::WaitOptions::empty());
        Err(if credentials != 0 {
            SpawnError::Credentials(Errno::from_raw_os_error(credentials))
        } else if output != 0 {
            SpawnError::Output(Errno::from_raw_os_error(output))
        } else {
            SpawnError::Directory(Errno::from_raw_os_error(directory))
        })
    }
}

#[cfg(not(target_arch = "x86_64"))]
compile_error!("clone_and_run has to be written for this architecture");

/// The child starts on its own stack with a call of `run`, which never returns.
unsafe fn clone_and_run(arguments: &CloneArguments, plan: &mut Plan) -> i64 {
    let pid: i64;
    asm!(
        "syscall",
        "test rax, rax",
        "jnz 2f",
        "xor ebp, ebp",
        "mov rdi, r12",
        "call r13",
        "ud2",
        "2:",
        inlateout("rax") libc::SYS_clone3 => pid,
        in("rdi") ptr::from_ref(arguments),
        in("rsi") size_of::<CloneArguments>(),
        in("r12") ptr::from_mut(plan),
        in("r13") run as unsafe extern "C" fn(*mut Plan) -> !,
        lateout("rcx") _,
        lateout("r11") _,
    );
    pid
}

/// In the child. Nothing here allocates, panics or touches a lock: the parent sleeps in the same memory. System calls
/// that libc would spread over threads are made directly.
unsafe extern "C" fn run(plan: *mut Plan) -> ! {
    let plan = &mut *plan;
    if plan.terminal {
        libc::setsid();
        libc::ioctl(plan.stdio[0], libc::TIOCSCTTY, 0);
    } else if plan.apart {
        libc::setsid();
    } else {
        libc::setpgid(0, 0);
    }
    libc::dup2(plan.stdio[0], 0);
    libc::dup2(plan.stdio[1], 1);
    libc::dup2(plan.stdio[2], 2);
    // Rust ignores SIGPIPE, and ignoring is inherited.
    libc::signal(libc::SIGPIPE, libc::SIG_DFL);
    if plan.switch {
        let groups = libc::syscall(libc::SYS_setgroups, plan.group_count, plan.groups);
        if groups != 0
            || libc::syscall(libc::SYS_setgid, plan.gid as c_long) != 0
            || libc::syscall(libc::SYS_setuid, plan.uid as c_long) != 0
        {
            plan.credentials_error = *libc::__errno_location();
            libc::_exit(127);
        }
    }
    if libc::chdir(plan.directory) != 0 {
        plan.directory_error = *libc::__errno_location();
        libc::_exit(127);
    }
    if !plan.output.is_null() {
        plan.output_error = redirect(plan.output);
        if plan.output_error != 0 {
            libc::_exit(127);
        }
    }
    let mut none = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    libc::sigemptyset(none.as_mut_ptr());
    libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut());
    let error = execute(plan);
    plan.exec_error = error;
    explain(*plan.argv.add(1), error);
    libc::_exit(exit_code(error))
}

/// Sends stdout and stderr to a file, with the user's rights. Does not wait for a reader of a FIFO: lohar sleeps.
unsafe fn redirect(file: *const c_char) -> c_int {
    let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC | libc::O_NOCTTY;
    let mode: libc::c_uint = 0o644;
    let fd = libc::open(file, flags | libc::O_NONBLOCK | libc::O_CLOEXEC, mode);
    if fd < 0 {
        return *libc::__errno_location();
    }
    libc::fcntl(fd, libc::F_SETFL, 0);
    libc::dup2(fd, 1);
    libc::dup2(fd, 2);
    0
}

/// Returns only when no candidate could be executed: the error of the one that exists, or 0.
unsafe fn execute(plan: &mut Plan) -> c_int {
    let argv = plan.argv.add(1);
    let mut failure = 0;
    let mut next = plan.candidates;
    while !(*next).is_null() {
        let file = *next;
        next = next.add(1);
        // Asking first is cheaper than an `execve` that fails.
        if libc::faccessat(libc::AT_FDCWD, file, libc::X_OK, 0) != 0 {
            let refused = *libc::__errno_location() == libc::EACCES;
            if refused && libc::faccessat(libc::AT_FDCWD, file, libc::F_OK, 0) == 0 {
                failure = libc::EACCES;
            }
            continue;
        }
        libc::execve(file, argv, plan.envp);
        failure = *libc::__errno_location();
        if failure == libc::ENOEXEC {
            *plan.argv = SHELL.as_ptr();
            *argv = file;
            libc::execve(SHELL.as_ptr(), plan.argv, plan.envp);
        }
        if failure != libc::EACCES {
            break;
        }
    }
    failure
}

unsafe fn explain(program: *const c_char, error: c_int) {
    let reason = why(error);
    libc::write(2, c"lohar: ".as_ptr().cast(), 7);
    libc::write(2, program.cast(), libc::strlen(program));
    libc::write(2, c": ".as_ptr().cast(), 2);
    libc::write(2, reason.as_ptr().cast(), reason.len());
    libc::write(2, c"\n".as_ptr().cast(), 1);
}

const fn exit_code(error: c_int) -> c_int {
    if error == 0 {
        127
    } else {
        126
    }
}

const fn why(error: c_int) -> &'static str {
    match error {
        0 => "not found",
        libc::EACCES => "permission denied",
        libc::ENOENT => "interpreter not found",
        libc::E2BIG => "arguments and environment too long",
        libc::ENOMEM => "out of memory",
        _ => "cannot be executed",
    }
}
