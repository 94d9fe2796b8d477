//! `list` and `stat`.

use std::collections::BinaryHeap;
use std::ffi::CString;
use std::path::Path;

use rustix::fs::{statat, AtFlags, OFlags};
use serde::Serialize;

use super::answers::Answers;
use super::directory::each_name;
use super::entry::{name_of, tidy, Entry};
use super::place::{Last, Place, Trust};
use super::refusal::Explain;
use crate::protocol::messages::{Failure, Nothing};

const MOST_ENTRIES: usize = 10_000;

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
    answers.opened(&Nothing {});
    let parent = tidy(path);
    let parent = parent.to_string_lossy();
    let parent = parent.trim_end_matches('/');
    let truncated = names.dropped;
    let mut entries = 0;
    for name in names.sorted() {
        // What has gone meanwhile is not there.
        let Ok(stat) = statat(&directory, &name, AtFlags::SYMLINK_NOFOLLOW) else {
            continue;
        };
        let text = name.to_string_lossy();
        let path = format!("{parent}/{text}");
        let entry = Entry::new(&text, &path, &stat, &directory, &name);
        answers.push_line(&entry).explain("list", &path)?;
        entries += 1;
    }
    answers.flush().explain("list", path)?;
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
    names: BinaryHeap<CString>,
    dropped: bool,
}

impl FirstNames {
    fn add(&mut self, name: CString) {
        self.names.push(name);
        if self.names.len() > MOST_ENTRIES {
            self.names.pop();
            self.dropped = true;
        }
    }

    fn sorted(self) -> Vec<CString> {
        self.names.into_sorted_vec()
    }
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
        let names = names.sorted();
        assert_eq!(names.len(), MOST_ENTRIES);
        assert_eq!(names[0].to_bytes(), b"000000");
        assert_eq!(names[MOST_ENTRIES - 1].to_bytes(), b"009999");
    }
}
