//! What a listing tells of one name.

use std::borrow::Cow;
use std::ffi::CStr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{readlinkat, FileType, Stat};
use serde::Serialize;

use super::place::is_link;
use crate::protocol::byte_text::text_of;

#[derive(Serialize)]
pub struct Entry<'a> {
    name: &'a str,
    path: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    size: u64,
    mode: Octal,
    mtime_ms: i64,
    uid: u32,
    gid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
}

/// Permission bits, such as "0644".
pub struct Octal(pub u32);

impl Serialize for Octal {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:04o}", self.0 & 0o7777))
    }
}

impl<'a> Entry<'a> {
    /// `place` is the name in the open directory that it was found in.
    pub fn new(
        name: &'a str,
        path: &'a str,
        stat: &Stat,
        directory: impl AsFd,
        place: &CStr,
    ) -> Self {
        Entry {
            name,
            path,
            kind: kind_of(stat),
            size: stat.st_size as u64,
            mode: Octal(stat.st_mode),
            mtime_ms: mtime_ms(stat),
            uid: stat.st_uid,
            gid: stat.st_gid,
            target: target_of(stat, directory, place),
        }
    }
}

/// An entry among many, without words that each of them would repeat: its fields in order, from `name` to `target` and
/// without `path`, the mode as a number. A target is there in a link only.
#[derive(Serialize)]
pub struct EntryLine<'a>(
    Cow<'a, str>,
    &'static str,
    u64,
    u32,
    i64,
    u32,
    u32,
    #[serde(skip_serializing_if = "Option::is_none")] Option<String>,
);

impl<'a> EntryLine<'a> {
    pub fn new(stat: &Stat, directory: impl AsFd, place: &'a CStr) -> Self {
        EntryLine(
            text_of(place.to_bytes()),
            kind_of(stat),
            stat.st_size as u64,
            stat.st_mode & 0o7777,
            mtime_ms(stat),
            stat.st_uid,
            stat.st_gid,
            target_of(stat, directory, place),
        )
    }
}

fn kind_of(stat: &Stat) -> &'static str {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => "file",
        FileType::Directory => "directory",
        FileType::Symlink => "link",
        _ => "other",
    }
}

fn target_of(stat: &Stat, directory: impl AsFd, place: &CStr) -> Option<String> {
    if !is_link(stat) {
        return None;
    }
    let target = readlinkat(directory, place, Vec::new()).ok()?;
    Some(text_of(target.to_bytes()).into_owned())
}

pub fn mtime_ms(stat: &Stat) -> i64 {
    let milliseconds = stat.st_mtime_nsec as i64 / 1_000_000;
    (stat.st_mtime)
        .saturating_mul(1000)
        .saturating_add(milliseconds)
}

/// A path as it is told, without `.` and double slashes.
pub fn tidy(path: &Path) -> PathBuf {
    path.components().collect()
}

/// The last name of a path, for people: `/` of the root.
pub fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    text_of(name.as_encoded_bytes()).into_owned()
}
