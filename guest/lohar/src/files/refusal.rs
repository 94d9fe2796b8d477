//! Why something could not be done with a path, in the protocol's words.

use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::protocol::messages::Failure;
use crate::reason::reason;

/// What stood in the way.
#[derive(Debug)]
pub enum Refusal {
    Kernel(Errno),
    /// Root would have been led by a link that is not root's.
    Link(PathBuf),
    /// A file of so many bytes ended after fewer.
    Shrank {
        from: u64,
        to: u64,
    },
    /// Code and reason.
    Rule(&'static str, &'static str),
}

impl From<Errno> for Refusal {
    fn from(error: Errno) -> Self {
        Refusal::Kernel(error)
    }
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        Refusal::Kernel(Errno::from_io_error(&error).unwrap_or(Errno::IO))
    }
}

pub trait Explain<T> {
    /// `action` is such as "read".
    fn explain(self, action: &str, path: impl AsRef<Path>) -> Result<T, Failure>;
}

impl<T, E: Into<Refusal>> Explain<T> for Result<T, E> {
    fn explain(self, action: &str, path: impl AsRef<Path>) -> Result<T, Failure> {
        self.map_err(|error| failure(error.into(), action, path.as_ref()))
    }
}

pub fn failure(refusal: impl Into<Refusal>, action: &str, path: &Path) -> Failure {
    let (code, reason) = refusal.into().explained();
    Failure::new(
        code,
        format!("Cannot {action} '{}': {reason}", path.display()),
    )
}

impl Refusal {
    /// Code and reason.
    pub fn explained(&self) -> (&'static str, String) {
        match self {
            Refusal::Kernel(error) => (code(*error), reason(*error)),
            Refusal::Link(link) => ("unsafe_path", link_reason(link)),
            Refusal::Shrank { from, to } => (
                "file_changed",
                format!("file changed as we read it: shrank from {from} to {to} bytes"),
            ),
            Refusal::Rule(code, reason) => (code, (*reason).to_owned()),
        }
    }
}

fn link_reason(link: &Path) -> String {
    format!(
        "the path contains the symbolic link '{}', which a user other than root could have created",
        link.display()
    )
}

fn code(error: Errno) -> &'static str {
    match error {
        Errno::NOENT => "not_found",
        Errno::NOTDIR => "not_directory",
        Errno::ISDIR => "is_directory",
        Errno::ACCESS | Errno::PERM | Errno::ROFS => "permission_denied",
        Errno::EXIST => "exists",
        Errno::NOTEMPTY => "not_empty",
        Errno::NOSPC | Errno::DQUOT | Errno::FBIG => "no_space",
        Errno::LOOP | Errno::NAMETOOLONG | Errno::INVAL | Errno::TXTBSY => "bad_request",
        _ => "io_error",
    }
}
