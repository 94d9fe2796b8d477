//! What the host wants done with files.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::list::Page;
use super::place::{Owner, Trust};
use super::read::Part;
use crate::accounts::Identity;
use crate::protocol::byte_text;
use crate::protocol::messages::{parse, Failure, Keep, OpenWrite, User};

#[derive(Deserialize)]
pub struct OpenFile {
    pub user: Option<User>,
}

/// Relative paths start in the default directory; those of a `Work` that was `placed` are absolute.
#[derive(Serialize, Deserialize, Debug)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Work {
    Read {
        #[serde(with = "byte_text::path")]
        path: PathBuf,
        #[serde(flatten)]
        part: Part,
    },
    List {
        #[serde(with = "byte_text::path")]
        path: PathBuf,
        #[serde(flatten)]
        page: Page,
    },
    Stat {
        #[serde(with = "byte_text::path")]
        path: PathBuf,
        follow: Option<bool>,
    },
    Mkdir {
        #[serde(with = "byte_text::path")]
        path: PathBuf,
        mode: Option<String>,
        #[serde(default)]
        parents: bool,
    },
    Remove {
        #[serde(with = "byte_text::path")]
        path: PathBuf,
        #[serde(default)]
        recursive: bool,
    },
    Move {
        #[serde(with = "byte_text::path")]
        from: PathBuf,
        #[serde(with = "byte_text::path")]
        to: PathBuf,
    },
    Copy {
        #[serde(with = "byte_text::path")]
        from: PathBuf,
        #[serde(with = "byte_text::path")]
        to: PathBuf,
        #[serde(default)]
        recursive: bool,
    },
    Pack {
        #[serde(with = "byte_text::path")]
        path: PathBuf,
        /// Whether holes of files are left out, which not every reader of tar streams understands.
        #[serde(default)]
        sparse: bool,
    },
    Unpack {
        #[serde(with = "byte_text::path")]
        path: PathBuf,
    },
    Watch {
        #[serde(with = "byte_text::path")]
        path: PathBuf,
        #[serde(default)]
        recursive: bool,
    },
    /// A stream kind of its own.
    Write {
        #[serde(with = "byte_text::path")]
        path: PathBuf,
        size: u64,
        mode: u32,
        owner: Option<Owner>,
        keep: Keep,
    },
}

/// How the work is ended after CLOSE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    Kill,
    /// It finds its pipe closed, and cleans up.
    ClosePipe,
    /// It gets SIGTERM, and cleans up.
    Ask,
}

impl Work {
    pub fn of(open: &[u8]) -> Result<Self, Failure> {
        match parse(open)? {
            Work::Write { .. } => Err(Failure::bad_request("Writing is a kind of its own")),
            work => Ok(work),
        }
    }

    pub fn write(open: OpenWrite, owner: Option<&Identity>) -> Result<Self, Failure> {
        let mode = parse_mode(&open.mode)?;
        Ok(Work::Write {
            path: byte_text::path_of(&open.path),
            size: open.size,
            mode,
            owner: owner.map(Owner::of),
            keep: open.keep,
        })
    }

    pub fn placed(mut self, directory: &str) -> Result<Self, Failure> {
        for path in self.paths_mut().into_iter().flatten() {
            let bytes = path.as_os_str().as_encoded_bytes();
            if bytes.is_empty() || bytes.contains(&0) {
                return Err(Failure::bad_request(
                    "The path is empty or contains a NUL byte",
                ));
            }
            *path = Path::new(directory).join(&*path);
        }
        Ok(self)
    }

    fn paths_mut(&mut self) -> [Option<&mut PathBuf>; 2] {
        match self {
            Work::Read { path, .. }
            | Work::List { path, .. }
            | Work::Stat { path, .. }
            | Work::Mkdir { path, .. }
            | Work::Remove { path, .. }
            | Work::Pack { path, .. }
            | Work::Unpack { path }
            | Work::Watch { path, .. }
            | Work::Write { path, .. } => [Some(path), None],
            Work::Move { from, to } | Work::Copy { from, to, .. } => [Some(from), Some(to)],
        }
    }

    pub fn path(&self) -> &Path {
        match self {
            Work::Read { path, .. }
            | Work::List { path, .. }
            | Work::Stat { path, .. }
            | Work::Mkdir { path, .. }
            | Work::Remove { path, .. }
            | Work::Pack { path, .. }
            | Work::Unpack { path }
            | Work::Watch { path, .. }
            | Work::Write { path, .. }
            | Work::Copy { from: path, .. }
            | Work::Move { from: path, .. } => path,
        }
    }

    /// In the words of a message: "Cannot … it".
    pub fn action(&self) -> &'static str {
        match self {
            Work::Read { .. } => "read",
            Work::List { .. } => "list",
            Work::Stat { .. } => "stat",
            Work::Mkdir { .. } => "make",
            Work::Remove { .. } => "remove",
            Work::Write { .. } => "write",
            Work::Move { .. } => "move",
            Work::Copy { .. } => "copy",
            Work::Pack { .. } => "pack",
            Work::Unpack { .. } => "extract to",
            Work::Watch { .. } => "watch",
        }
    }

    pub fn takes_content(&self) -> bool {
        matches!(self, Work::Write { .. } | Work::Unpack { .. })
    }

    pub fn gives_content(&self) -> bool {
        matches!(
            self,
            Work::Read { .. } | Work::List { .. } | Work::Pack { .. } | Work::Watch { .. }
        )
    }

    /// How much content it takes, if that is known.
    pub fn expects(&self) -> Option<u64> {
        match self {
            Work::Write { size, .. } => Some(*size),
            _ => None,
        }
    }

    pub fn ending(&self) -> Ending {
        match self {
            Work::Write { .. } | Work::Unpack { .. } => Ending::ClosePipe,
            Work::Copy { .. } | Work::Move { .. } => Ending::Ask,
            _ => Ending::Kill,
        }
    }
}

impl Owner {
    pub fn of(identity: &Identity) -> Self {
        Owner {
            uid: identity.uid,
            gid: identity.gid,
        }
    }
}

/// Others than root can have put a link only where it leads themselves.
pub fn trust_of(user: User) -> Trust {
    match user {
        User::Root => Trust::RootsOnly,
        User::Lohar => Trust::All,
    }
}

pub fn parse_mode(text: &str) -> Result<u32, Failure> {
    let mode = u32::from_str_radix(text, 8).ok();
    mode.filter(|&mode| mode <= 0o7777).ok_or_else(|| {
        Failure::bad_request(format!(
            "Mode '{text}' must be octal permission bits such as '0644'"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_octal() {
        assert_eq!(parse_mode("0644").unwrap(), 0o644);
        assert_eq!(parse_mode("755").unwrap(), 0o755);
        for wrong in ["", "rw", "0800", "77777", "-1"] {
            assert!(parse_mode(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_order_is_read_from_its_message() {
        let text = r#"{"kind":"file","op":"read","path":"a","offset":3,"user":"root"}"#;
        let work = Work::of(text.as_bytes()).unwrap();
        let work = work.placed("/workspace").unwrap();
        assert_eq!(work.path(), Path::new("/workspace/a"));
        assert!(matches!(work, Work::Read { part, .. } if part.offset == Some(3)));
        for wrong in [
            r#"{"op":"write","path":"a"}"#,
            r#"{"op":"write","path":"a","size":1,"mode":420}"#,
            r#"{"path":"a"}"#,
            r#"{"op":"list"}"#,
        ] {
            assert!(Work::of(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
