//! `mkdir`.

use std::path::Path;

use rustix::fs::{fchmod, mkdirat, Mode};
use rustix::io::Errno;

use super::place::{is_directory, Lacking, Last, Place, Trust};
use super::refusal::Explain;
use super::{directory, durable};
use crate::protocol::messages::{Failure, Nothing};

pub fn make(path: &Path, mode: u32, parents: bool, trust: Trust) -> Result<Nothing, Failure> {
    let lacking = parents.then(Lacking::default);
    // With `parents`, a link to a directory is one.
    let last = if parents { Last::Target } else { Last::Link };
    let place = Place::find_or_make(path, trust, last, lacking).explain("make", path)?;
    match make_here(&place, Mode::from_raw_mode(mode)) {
        Err(Errno::EXIST) if parents && place.stat().is_ok_and(|stat| is_directory(&stat)) => {}
        outcome => outcome
            .and_then(|()| durable::place(&place))
            .explain("make", path)?,
    }
    Ok(Nothing {})
}

fn make_here(place: &Place, mode: Mode) -> rustix::io::Result<()> {
    mkdirat(&place.directory, &place.name, mode)?;
    if !mode.intersects(Mode::SUID | Mode::SGID) {
        return Ok(());
    }
    // The kernel does not take these when it makes a directory.
    let directory = directory::open(&place.directory, &place.name)?;
    fchmod(&directory, mode)
}
