//! The files that say who the guest is. They lie in memory and are mounted over the image's, as container engines do it:
//! a restored guest gets its identity without a write to its disk, which would take 100 ms under emulation, and a disk
//! that becomes an image has no sandbox's name.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

pub const HOSTNAME: &str = "/etc/hostname";
pub const HOSTS: &str = "/etc/hosts";
pub const MACHINE_ID: &str = "/etc/machine-id";
pub const RESOLVER: &str = "/etc/resolv.conf";

const MEMORY: &str = "/run/lohar/etc";

/// Once, when the root is mounted.
pub fn cover() {
    for path in [HOSTNAME, HOSTS, MACHINE_ID, RESOLVER] {
        if let Err(error) = cover_one(path) {
            crate::log::warn(&format!("cannot mount over '{path}': {error}"));
        }
    }
}

fn cover_one(path: &str) -> io::Result<()> {
    // What is mounted over has to exist; a symbolic link leads to what programs read.
    OpenOptions::new().create(true).append(true).open(path)?;
    let target = fs::canonicalize(path)?;
    let name = Path::new(path).file_name().unwrap_or_default();
    let own = Path::new(MEMORY).join(name);
    fs::create_dir_all(MEMORY)?;
    fs::copy(&target, &own)?;
    rustix::mount::mount_bind(&own, &target)?;
    Ok(())
}

/// In place, because a file that is mounted cannot be replaced. Left alone when it is right already.
pub fn write(path: &str, content: &str) -> io::Result<()> {
    if fs::read(path).is_ok_and(|current| current == content.as_bytes()) {
        return Ok(());
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)?;
    file.write_all(content.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_in_place() {
        let path = std::env::temp_dir().join(format!("lohar-own-{}", std::process::id()));
        let name = path.to_str().unwrap();
        write(name, "a longer one\n").unwrap();
        write(name, "short\n").unwrap();
        assert_eq!(fs::read_to_string(name).unwrap(), "short\n");
        fs::remove_file(name).unwrap();
    }
}
