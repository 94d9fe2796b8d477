//! Small files that are only ever seen whole, and not touched when they are right already.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{chown, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Keeps the owner and mode of a file that exists; a new one is root's, with `mode`.
pub fn write(path: &str, content: &str, mode: u32) -> io::Result<()> {
    // Whatever a symbolic link leads to is what programs read.
    let target = fs::canonicalize(path).unwrap_or_else(|_| Path::new(path).to_owned());
    let (mut mode, mut owner) = (mode, None);
    if let Ok(current) = fs::read(&target) {
        if current == content.as_bytes() {
            return Ok(());
        }
        let data = fs::metadata(&target)?;
        mode = data.mode() & 0o7777;
        owner = Some((data.uid(), data.gid()));
    }
    let temporary = format!("{}.bhatti-tmp", target.display());
    let _ = fs::remove_file(&temporary);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(content.as_bytes())?;
    file.set_permissions(Permissions::from_mode(mode))?;
    if let Some((uid, gid)) = owner {
        chown(&temporary, Some(uid), Some(gid))?;
    }
    fs::rename(&temporary, &target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_only_what_differs() {
        let directory = std::env::temp_dir().join(format!("lohar-atomic-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join("file");
        let name = path.to_str().unwrap();
        write(name, "one\n", 0o640).unwrap();
        let first = fs::metadata(&path).unwrap();
        assert_eq!(first.mode() & 0o7777, 0o640);
        write(name, "one\n", 0o600).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().ino(), first.ino());
        write(name, "two\n", 0o600).unwrap();
        let second = fs::metadata(&path).unwrap();
        assert_ne!(second.ino(), first.ino());
        assert_eq!(second.mode() & 0o7777, 0o640);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
        fs::remove_dir_all(&directory).unwrap();
    }
}
