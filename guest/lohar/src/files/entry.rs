//! What a listing tells of one name.

use std::ffi::CStr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{readlinkat, FileType, Stat};
use serde::Serialize;

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
        let kind = FileType::from_raw_mode(stat.st_mode);
        let target = match kind {
            FileType::Symlink => readlinkat(directory, place, Vec::new()).ok(),
            _ => None,
        };
        Entry {
            name,
            path,
            kind: match kind {
                FileType::RegularFile => "file",
                FileType::Directory => "directory",
                FileType::Symlink => "link",
                _ => "other",
            },
            size: stat.st_size as u64,
            mode: Octal(stat.st_mode),
            mtime_ms: mtime_ms(stat),
            uid: stat.st_uid,
            gid: stat.st_gid,
            target: target.map(|target| target.to_string_lossy().into_owned()),
        }
    }
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
    name.to_string_lossy().into_owned()
}
