//! `watch`: reports changes in a directory until its stream is closed.

mod changes;
mod trees;

use std::ffi::CString;
use std::mem::MaybeUninit;
use std::path::Path;

use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::fs::inotify::{self, CreateFlags, Reader};
use rustix::fs::{openat, Mode, OFlags};
use rustix::io::Errno;

use changes::Changes;
use trees::Trees;

use super::answers::Answers;
use super::entry::tidy;
use super::place::{is_directory, Last, Place, Trust};
use super::refusal::{Explain, Refusal};
use crate::protocol::messages::{Failure, Nothing};

const BUFFER: usize = 64 * 1024;

pub fn watch(
    path: &Path,
    recursive: bool,
    trust: Trust,
    answers: &mut Answers,
) -> Result<Nothing, Failure> {
    let place = Place::find(path, trust, Last::Target).explain("watch", path)?;
    let (root, name) = what(&place).explain("watch", path)?;
    let path = match name {
        Some(_) => path.parent().unwrap_or(path),
        None => path,
    };
    let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK);
    let inotify = inotify.map_err(trees::exhausted).explain("watch", path)?;
    let recursive = recursive && name.is_none();
    let is_directory = name.is_none();
    let trees = Trees::new(root, inotify, recursive);
    let mut trees = trees.explain("watch", path)?;
    if is_directory {
        trees.watch_above(&place);
    }
    answers.opened(&Nothing {});
    let shown = tidy(path);
    let mut changes = Changes::new(&shown, name, trees);
    follow(&mut changes, answers).explain("watch", path)?;
    Ok(Nothing {})
}

/// The directory to look at, and the name in it when it is about a file: editors put a new one in its place.
fn what(place: &Place) -> Result<(std::os::fd::OwnedFd, Option<CString>), Refusal> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    if is_directory(&place.stat()?) {
        return Ok((place.open(flags)?, None));
    }
    let directory = openat(&place.directory, c".", flags, Mode::empty())?;
    Ok((directory, Some(place.name.clone())))
}

/// Until there is nothing left to watch.
fn follow(changes: &mut Changes<'_>, answers: &mut Answers) -> rustix::io::Result<()> {
    let mut buffer = vec![MaybeUninit::uninit(); BUFFER];
    let inotify = changes.trees.inotify()?;
    loop {
        let mut reader = Reader::new(&inotify, &mut buffer);
        loop {
            match reader.next() {
                Ok(event) => changes.take(&event, answers)?,
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
            if reader.is_buffer_empty() {
                answers.flush()?;
            }
        }
        let wait = changes.settle(answers)?;
        answers.flush()?;
        if changes.trees.is_empty() {
            return Ok(());
        }
        let wait = wait.map(|milliseconds| Timespec {
            tv_sec: 0,
            tv_nsec: i64::from(milliseconds) * 1_000_000,
        });
        // The other end of the pipe tells by an error that it has gone.
        let mut ends = [
            PollFd::new(&inotify, PollFlags::IN),
            PollFd::new(answers.content()?, PollFlags::empty()),
        ];
        match poll(&mut ends, wait.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
        if ends[1].revents().contains(PollFlags::ERR) {
            return Err(Errno::PIPE);
        }
    }
}
