//! Directories that every guest has, whatever its image lacks.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{chown, MetadataExt, PermissionsExt};

use super::session_logs;
use crate::accounts::LOHAR;

pub fn make() {
    directory("/tmp", 0o1777, None);
    directory("/etc", 0o755, None);
    if let Err(error) = session_logs::open() {
        crate::log::warn(&format!("cannot make '{}': {error}", session_logs::PATH));
    }
    directory("/workspace", 0o755, Some(LOHAR));
}

/// Makes it where it lacks; one that exists keeps its mode, but gets the owner.
pub fn directory(path: &str, mode: u32, owner: Option<u32>) -> bool {
    match try_directory(path, mode, owner) {
        Ok(made) => made,
        Err(error) => {
            crate::log::warn(&format!("cannot make '{path}': {error}"));
            false
        }
    }
}

fn try_directory(path: &str, mode: u32, owner: Option<u32>) -> io::Result<bool> {
    let made = match fs::metadata(path) {
        Ok(_) => false,
        Err(_) => {
            fs::create_dir_all(path)?;
            fs::set_permissions(path, Permissions::from_mode(mode))?;
            true
        }
    };
    if let Some(owner) = owner {
        if fs::metadata(path)?.uid() != owner {
            chown(path, Some(owner), Some(owner))?;
        }
    }
    Ok(made)
}
