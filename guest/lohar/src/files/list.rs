//! `list` and `stat`.

use std::borrow::Cow;
use std::collections::BinaryHeap;
use std::ffi::{CStr, CString};
use std::path::Path;

use rustix::fs::{statat, AtFlags, OFlags};
use serde::Serialize;

use super::answers::Answers;
use super::directory::each_name;
use super::entry::{name_of, tidy, Entry, EntryLine};
use super::place::{Last, Place, Trust};
use super::refusal::Explain;
use crate::protocol::messages::Failure;

const MOST_ENTRIES: usize = 10_000;

#[derive(Serialize)]
struct Opened<'a> {
    path: Cow<'a, str>,
}

#[derive(Serialize)]
pub struct Listed {
    entries: usize,
    truncated: bool,
}

pub fn list(path: &Path, trust: Trust, answers: &mut Answers) -> Result<Listed, Failure> {
    let place = Place::find(path, trust, Last::Target).explain("list", path)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let directory = place.open(flags).explain("list", path)?;
    let mut names = FirstNames::default();
    each_name(&directory, |name| names.add(name.to_owned())).explain("list", path)?;
    let path = tidy(path);
    answers.opened(&Opened {
        path: path.to_string_lossy(),
    });
    let truncated = names.dropped;
    let mut entries = 0;
    for name in names.sorted() {
        // What has gone meanwhile is not there.
        let Ok(stat) = statat(&directory, &name, AtFlags::SYMLINK_NOFOLLOW) else {
            continue;
        };
        let line = EntryLine::new(&stat, &directory, &name);
        answers.push_line(&line).explain("list", &path)?;
        entries += 1;
    }
    answers.flush().explain("list", &path)?;
    Ok(Listed { entries, truncated })
}

pub fn stat(path: &Path, follow: bool, trust: Trust, answers: &Answers) -> Result<(), Failure> {
    let last = if follow { Last::Target } else { Last::Link };
    let place = Place::find(path, trust, last).explain("look at", path)?;
    let stat = place.stat().explain("look at", path)?;
    let path = tidy(path);
    let name = name_of(&path);
    let text = path.to_string_lossy();
    answers.result(&Entry::new(
        &name,
        &text,
        &stat,
        &place.directory,
        &place.name,
    ));
    Ok(())
}

/// The first by name of however many there are.
#[derive(Default)]
struct FirstNames {
    /// Each behind its first bytes as a number, which are compared faster and tell most names apart.
    names: BinaryHeap<(u64, CString)>,
    dropped: bool,
}

impl FirstNames {
    fn add(&mut self, name: CString) {
        self.names.push((first_bytes(&name), name));
        if self.names.len() > MOST_ENTRIES {
            self.names.pop();
            self.dropped = true;
        }
    }

    fn sorted(self) -> impl ExactSizeIterator<Item = CString> {
        let names = self.names.into_sorted_vec();
        names.into_iter().map(|(_, name)| name)
    }
}

fn first_bytes(name: &CStr) -> u64 {
    let mut first = [0; 8];
    for (to, &from) in first.iter_mut().zip(name.to_bytes()) {
        *to = from;
    }
    u64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_names_are_kept() {
        let mut names = FirstNames::default();
        for number in (0..MOST_ENTRIES + 3).rev() {
            names.add(CString::new(format!("{number:06}")).unwrap());
        }
        assert!(names.dropped);
        let names: Vec<_> = names.sorted().collect();
        assert_eq!(names.len(), MOST_ENTRIES);
        assert_eq!(names[0].to_bytes(), b"000000");
        assert_eq!(names[MOST_ENTRIES - 1].to_bytes(), b"009999");
    }

    #[test]
    fn names_are_in_the_order_of_their_bytes() {
        let mut names = FirstNames::default();
        let wanted: [&[u8]; 7] = [
            b"A",
            b"a",
            b"a b",
            b"long-name",
            b"long-name-1",
            b"long-name-2",
            b"\xffnot text",
        ];
        for name in wanted.iter().rev() {
            names.add(CString::new(*name).unwrap());
        }
        let names: Vec<_> = names.sorted().map(CString::into_bytes).collect();
        assert_eq!(names, wanted);
    }
}
