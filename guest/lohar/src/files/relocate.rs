//! `move`.

use std::path::Path;

use rustix::fs::renameat;

use super::place::{is_directory, Last, Place, Trust};
use super::refusal::{Explain, Refusal};
use crate::protocol::messages::{Failure, Nothing};

pub fn relocate(from: &Path, to: &Path, trust: Trust) -> Result<Nothing, Failure> {
    let source = Place::find(from, trust, Last::Link).explain("move", from)?;
    named(&source).explain("move", from)?;
    source.stat().explain("move", from)?;
    let target = destination(to, &source, trust).explain("move to", to)?;
    renameat(
        &source.directory,
        &source.name,
        &target.directory,
        &target.name,
    )
    .explain("move to", to)?;
    Ok(Nothing {})
}

pub fn named(place: &Place) -> Result<(), Refusal> {
    if place.has_name() {
        return Ok(());
    }
    let why = "Its last component must be a name";
    Err(Refusal::Rule("bad_request", why))
}

/// In the directory that is there, or in place of whatever else is. A link that leads elsewhere is replaced.
pub fn destination(path: &Path, source: &Place, trust: Trust) -> Result<Place, Refusal> {
    let place = Place::find(path, trust, Last::Target)?;
    if place.stat().is_ok_and(|stat| is_directory(&stat)) {
        let name = source.name.clone();
        let directory = rustix::fs::openat(
            &place.directory,
            &place.name,
            rustix::fs::OFlags::PATH
                | rustix::fs::OFlags::DIRECTORY
                | rustix::fs::OFlags::NOFOLLOW
                | rustix::fs::OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        )?;
        return Ok(Place { directory, name });
    }
    let place = Place::find(path, trust, Last::Link)?;
    named(&place)?;
    Ok(place)
}
