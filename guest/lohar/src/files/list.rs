//! `list` and `stat`.

use std::borrow::Cow;
use std::collections::BinaryHeap;
use std::ffi::{CStr, CString};
use std::path::Path;

use rustix::fs::{statat, AtFlags, OFlags};
use serde::{Deserialize, Serialize};

use super::answers::Answers;
use super::directory::each_name;
use super::entry::{name_of, tidy, Entry, EntryLine};
use super::place::{Last, Place, Trust};
use super::put::is_temporary;
use super::refusal::Explain;
use crate::protocol::byte_text::text_of;
use crate::protocol::hex;
use crate::protocol::messages::Failure;

const MOST_ENTRIES: usize = 10_000;
const MOST_BYTES: u64 = 4 * 1024 * 1024;

/// The part of a directory that one list covers.
#[derive(Serialize, Deserialize, Debug)]
pub struct Page {
    /// The `next` of the page before.
    pub after: Option<String>,
    /// The entry that reaches it is the last. Each counts with its directory's path, as hosts repeat that.
    pub max_bytes: Option<u64>,
}

#[derive(Serialize)]
struct Opened<'a> {
    path: Cow<'a, str>,
}

#[derive(Serialize)]
pub struct Listed {
    entries: usize,
    truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

pub fn list(
    path: &Path,
    page: &Page,
    trust: Trust,
    answers: &mut Answers,
) -> Result<Listed, Failure> {
    let place = Place::find(path, trust, Last::Target).explain("list", path)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let directory = place.open(flags).explain("list", path)?;
    let mut names = FirstNames::new(page.after.as_deref(), MOST_ENTRIES)?;
    each_name(&directory, |name| names.add(name)).explain("list", path)?;
    let path = tidy(path);
    let shown = text_of(path.as_os_str().as_encoded_bytes());
    let path_length = serde_json::to_string(&shown).map_or(0, |text| text.len());
    answers.opened(&Opened {
        path: shown.clone(),
    });
    let most = page
        .max_bytes
        .map_or(MOST_BYTES, |most| most.min(MOST_BYTES));
    let mut truncated = names.dropped;
    let (mut entries, mut bytes, mut last) = (0, 0, None);
    for name in names.sorted() {
        if bytes >= most {
            truncated = true;
            break;
        }
        // A name that has been removed since is left out.
        if let Ok(stat) = statat(&directory, &name, AtFlags::SYMLINK_NOFOLLOW) {
            let line = EntryLine::new(&stat, &directory, &name);
            let length = answers.push_line(&line).explain("list", &path)?;
            bytes += (length + path_length) as u64;
            entries += 1;
        }
        last = Some(name);
    }
    answers.flush().explain("list", &path)?;
    let next = last.filter(|_| truncated);
    Ok(Listed {
        entries,
        truncated,
        next: next.map(|name| hex::encode(name.to_bytes())),
    })
}

pub fn stat(path: &Path, follow: bool, trust: Trust, answers: &Answers) -> Result<(), Failure> {
    let last = if follow { Last::Target } else { Last::Link };
    let place = Place::find(path, trust, last).explain("stat", path)?;
    let stat = place.stat().explain("stat", path)?;
    let path = tidy(path);
    let name = name_of(&path);
    let text = text_of(path.as_os_str().as_encoded_bytes());
    answers.result(&Entry::new(
        &name,
        &text,
        &stat,
        &place.directory,
        &place.name,
    ));
    Ok(())
}

/// The names of a page: the first in their order after a given one.
struct FirstNames {
    after: Vec<u8>,
    most: usize,
    /// Each behind its first bytes as a number, which are compared faster and tell most names apart.
    names: BinaryHeap<(u64, CString)>,
    dropped: bool,
}

impl FirstNames {
    fn new(cursor: Option<&str>, most: usize) -> Result<Self, Failure> {
        let cursor = cursor.unwrap_or_default();
        let after = hex::decode(cursor).ok_or_else(|| {
            let why = format!("'{cursor}' is not the cursor of a page");
            Failure::bad_request(why)
        })?;
        Ok(FirstNames {
            after,
            most,
            names: BinaryHeap::new(),
            dropped: false,
        })
    }

    fn add(&mut self, name: &CStr) {
        if name.to_bytes() <= self.after.as_slice() || is_temporary(name.to_bytes()) {
            return;
        }
        self.names.push((first_bytes(name), name.to_owned()));
        if self.names.len() > self.most {
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

    fn names_of(cursor: Option<&str>, most: usize, all: &[&[u8]]) -> (Vec<Vec<u8>>, bool) {
        let mut names = FirstNames::new(cursor, most).unwrap();
        for name in all {
            names.add(&CString::new(*name).unwrap());
        }
        let dropped = names.dropped;
        (names.sorted().map(CString::into_bytes).collect(), dropped)
    }

    #[test]
    fn the_first_names_are_kept() {
        let all: Vec<_> = (0..MOST_ENTRIES + 3)
            .rev()
            .map(|number| format!("{number:06}").into_bytes())
            .collect();
        let all: Vec<_> = all.iter().map(Vec::as_slice).collect();
        let (names, dropped) = names_of(None, MOST_ENTRIES, &all);
        assert!(dropped);
        assert_eq!(names.len(), MOST_ENTRIES);
        assert_eq!(names[0], b"000000");
        assert_eq!(names[MOST_ENTRIES - 1], b"009999");
    }

    #[test]
    fn pages_cover_every_name_once_in_the_order_of_the_bytes() {
        let wanted: [&[u8]; 8] = [
            b"A",
            b"a",
            b"a b",
            b"long-name",
            b"long-name-1",
            b"long-name-2",
            b"\xc3\xa4",
            b"\xffnot text",
        ];
        let mut all = wanted;
        all.reverse();
        for most in 1..=wanted.len() + 1 {
            let (mut seen, mut cursor) = (Vec::new(), None);
            loop {
                let (names, dropped) = names_of(cursor.as_deref(), most, &all);
                seen.extend(names);
                if !dropped {
                    break;
                }
                cursor = seen.last().map(|name: &Vec<u8>| hex::encode(name));
            }
            assert_eq!(seen, wanted, "{most}");
        }
    }

    #[test]
    fn a_cursor_that_is_no_name_is_refused() {
        for wrong in ["6", "6g", "a ", "\u{e4}a"] {
            assert!(FirstNames::new(Some(wrong), 1).is_err(), "{wrong}");
        }
    }
}
