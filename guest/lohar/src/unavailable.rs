//! Failures of the kernel to give what a task needs: a process, a pipe, a terminal.

use rustix::io::Errno;

use crate::protocol::messages::Failure;
use crate::reason::reason;

/// `task` is such as "start the process". Only a limit that may have room later is "limit", which clients try again.
pub fn unavailable(task: &str, error: Errno) -> Failure {
    let code = match error {
        Errno::AGAIN
        | Errno::NOMEM
        | Errno::MFILE
        | Errno::NFILE
        | Errno::NOSPC
        | Errno::NOBUFS
        | Errno::USERS => "limit",
        _ => "io_error",
    };
    Failure::new(code, format!("Cannot {task}: {}", reason(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exhausted_resources_are_a_limit_and_other_errors_are_not() {
        let code = |error| unavailable("open a terminal", error).code;
        for error in [Errno::AGAIN, Errno::NOMEM, Errno::NFILE, Errno::NOSPC] {
            assert_eq!(code(error), "limit");
        }
        for error in [Errno::NODEV, Errno::NOENT, Errno::IO, Errno::PERM] {
            assert_eq!(code(error), "io_error");
        }
        let failure = unavailable("open a terminal", Errno::NODEV);
        assert_eq!(failure.message, "Cannot open a terminal: No such device");
    }
}
