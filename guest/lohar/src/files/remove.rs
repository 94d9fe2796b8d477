//! `remove`: never follows a link.

use std::ffi::CStr;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{unlinkat, AtFlags};
use rustix::io::Errno;

use super::place::{Last, Place, Trust};
use super::refusal::Explain;
use super::relocate::named;
use super::walk::{Step, Walk};
use super::{directory, durable};
use crate::protocol::messages::{Failure, Nothing};

pub fn remove(path: &Path, recursive: bool, trust: Trust) -> Result<Nothing, Failure> {
    let place = Place::find(path, trust, Last::Link).explain("remove", path)?;
    named(&place).explain("remove", path)?;
    remove_place(&place, path, recursive)?;
    Ok(Nothing {})
}

/// `path` is for messages.
pub fn remove_place(place: &Place, path: &Path, recursive: bool) -> Result<(), Failure> {
    take_name(place, path, recursive)?;
    durable::directory(&place.directory).explain("remove", path)
}

fn take_name(place: &Place, path: &Path, recursive: bool) -> Result<(), Failure> {
    if is_unlinked(place).explain("remove", path)? {
        return Ok(());
    }
    if recursive {
        let directory = directory::open(&place.directory, &place.name).explain("remove", path)?;
        let mut walk = Walk::new(directory).explain("remove", path)?;
        while remove_next(&mut walk).explain("remove", path.join(walk.path()))? {}
    }
    unlinkat(&place.directory, &place.name, AtFlags::REMOVEDIR).explain("remove", path)
}

/// False of a directory.
fn is_unlinked(place: &Place) -> rustix::io::Result<bool> {
    match unlinkat(&place.directory, &place.name, AtFlags::empty()) {
        // Some file systems say the second of a directory.
        Err(Errno::ISDIR) => Ok(false),
        Err(Errno::PERM)
            if place
                .stat()
                .is_ok_and(|stat| super::place::is_directory(&stat)) =>
        {
            Ok(false)
        }
        outcome => outcome.map(|()| true),
    }
}

fn remove_next(walk: &mut Walk) -> rustix::io::Result<bool> {
    match walk.next()? {
        Some(Step::Leaf(name, _)) => unlink(walk.directory()?, &name, AtFlags::empty())?,
        Some(Step::Enter(..)) => {}
        Some(Step::Leave(name)) => unlink(walk.directory()?, &name, AtFlags::REMOVEDIR)?,
        None => return Ok(false),
    }
    Ok(true)
}

fn unlink(directory: impl AsFd, name: &CStr, flags: AtFlags) -> rustix::io::Result<()> {
    match unlinkat(directory, name, flags) {
        Err(Errno::NOENT) => Ok(()),
        outcome => outcome,
    }
}
