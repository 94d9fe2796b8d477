//! `move`, and where something lands that is moved or copied.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{fstat, openat, renameat, Mode, OFlags};
use rustix::io::Errno;

use super::copy::{copy_place, is_same, Owners};
use super::durable;
use super::place::{is_directory, Last, Place, Trust};
use super::refusal::{Explain, Refusal};
use super::remove::remove_place;
use crate::protocol::messages::{Failure, Nothing};

pub fn relocate(from: &Path, to: &Path, trust: Trust) -> Result<Nothing, Failure> {
    let source = Place::find(from, trust, Last::Link).explain("move", from)?;
    named(&source).explain("move", from)?;
    let stat = source.stat().explain("move", from)?;
    let target = destination(to, &source, trust).explain("move to", to)?;
    let (old, new) = (&source.directory, &target.directory);
    match renameat(old, &source.name, new, &target.name) {
        Err(Errno::XDEV) => {
            copy_place(&source, &stat, &target, Owners::Kept, from, to)?;
            remove_place(&source, from, true)?;
        }
        outcome => outcome
            .and_then(|()| sync_both(old, new))
            .explain("move to", to)?,
    }
    Ok(Nothing {})
}

fn sync_both(old: &OwnedFd, new: &OwnedFd) -> rustix::io::Result<()> {
    durable::directory(new)?;
    if is_same(&fstat(old)?, &fstat(new)?) {
        return Ok(());
    }
    durable::directory(old)
}

pub fn named(place: &Place) -> Result<(), Refusal> {
    if place.has_name() {
        return Ok(());
    }
    let why = "The last component must be a name";
    Err(Refusal::Rule("bad_request", why))
}

/// In the directory that is there, or in place of whatever else is. A link that leads to no directory is replaced.
pub fn destination(path: &Path, source: &Place, trust: Trust) -> Result<Place, Refusal> {
    let place = Place::find(path, trust, Last::Target)?;
    if place.stat().is_ok_and(|stat| is_directory(&stat)) {
        let name = source.name.clone();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = openat(&place.directory, &place.name, flags, Mode::empty())?;
        return Ok(Place {
            directory,
            name,
            made: 0,
        });
    }
    let place = Place::find(path, trust, Last::Link)?;
    named(&place)?;
    Ok(place)
}
