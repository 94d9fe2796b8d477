//! `remove`: never follows a link.

use std::ffi::CStr;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{unlinkat, AtFlags};
use rustix::io::Errno;

use super::directory;
use super::place::{Last, Place, Trust};
use super::refusal::{Explain, Refusal};
use super::walk::{Step, Walk};
use crate::protocol::messages::{Failure, Nothing};

pub fn remove(path: &Path, recursive: bool, trust: Trust) -> Result<Nothing, Failure> {
    let place = Place::find(path, trust, Last::Link).explain("remove", path)?;
    if !place.has_name() {
        let why = Refusal::Rule("bad_request", "Its last component must be a name");
        return Err(why).explain("remove", path);
    }
    if is_unlinked(&place).explain("remove", path)? {
        return Ok(Nothing {});
    }
    if recursive {
        let directory = directory::open(&place.directory, &place.name).explain("remove", path)?;
        let mut walk = Walk::new(directory).explain("remove", path)?;
        while remove_next(&mut walk).explain("remove", path.join(walk.path()))? {}
    }
    unlinkat(&place.directory, &place.name, AtFlags::REMOVEDIR).explain("remove", path)?;
    Ok(Nothing {})
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
