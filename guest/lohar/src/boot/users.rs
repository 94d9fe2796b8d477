//! The user `lohar`, which is added to images without it.

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;

use super::{atomic_file, skeleton};
use crate::accounts::LOHAR;

const HOME: &str = "/home/lohar";
const ROOT_ACCOUNT: &str = "root:x:0:0:root:/root:/bin/sh\n";

pub fn make() {
    let shell = if Path::new("/bin/bash").exists() {
        "/bin/bash"
    } else {
        "/bin/sh"
    };
    let account = format!("lohar:x:{LOHAR}:{LOHAR}:lohar:{HOME}:{shell}");
    edit("/etc/passwd", 0o644, ROOT_ACCOUNT, &account);
    edit(
        "/etc/group",
        0o644,
        "root:x:0:\n",
        &format!("lohar:x:{LOHAR}:"),
    );
    if Path::new("/etc/shadow").exists() {
        edit("/etc/shadow", 0o640, "", "lohar:*:19000:0:99999:7:::");
    }
    if skeleton::directory(HOME, 0o755, Some(LOHAR)) {
        copy_skeleton();
    }
}

fn edit(path: &str, mode: u32, default: &str, line: &str) {
    let current = fs::read_to_string(path).unwrap_or_default();
    let base = if current.trim().is_empty() {
        default
    } else {
        &current
    };
    if let Err(error) = atomic_file::write(path, &with_line(base, line), mode) {
        crate::log::warn(&format!("cannot write '{path}': {error}"));
    }
}

/// Adds `line` unless its name is there. It goes before another name of the same id, so that the id is shown as ours.
fn with_line(text: &str, line: &str) -> String {
    let name = line.split(':').next();
    if text.lines().any(|other| other.split(':').next() == name) {
        return text.to_owned();
    }
    let id = line.split(':').nth(2);
    // Shadow lines have no id there, but a date.
    let has_id = line.split(':').nth(1) == Some("x");
    let same_id = |other: &&str| has_id && other.split(':').nth(2) == id;
    let mut lines: Vec<&str> = text.lines().collect();
    let at = lines.iter().position(same_id);
    lines.insert(at.unwrap_or(lines.len()), line);
    lines.join("\n") + "\n"
}

/// What the distribution gives to each new user, mostly a `.bashrc`.
fn copy_skeleton() {
    let Ok(entries) = fs::read_dir("/etc/skel") else {
        return;
    };
    for entry in entries.flatten() {
        let target = Path::new(HOME).join(entry.file_name());
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file && fs::copy(entry.path(), &target).is_ok() {
            let _ = chown(&target, Some(LOHAR), Some(LOHAR));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "lohar:x:1000:1000:lohar:/home/lohar:/bin/bash";

    #[test]
    fn adds_the_user_once() {
        let once = with_line("root:x:0:0:root:/root:/bin/bash", LINE);
        assert_eq!(once, format!("root:x:0:0:root:/root:/bin/bash\n{LINE}\n"));
        assert_eq!(with_line(&once, LINE), once);
        assert_eq!(with_line("", LINE), format!("{LINE}\n"));
    }

    #[test]
    fn goes_before_another_name_of_its_id() {
        let text = "root:x:0:0::/root:/bin/sh\nnode:x:1000:1000::/home/node:/bin/bash\nx:x:1001:1001::/:\n";
        let edited = with_line(text, LINE);
        let names: Vec<_> = edited
            .lines()
            .map(|line| line.split(':').next().unwrap())
            .collect();
        assert_eq!(names, ["root", "lohar", "node", "x"]);
    }

    #[test]
    fn keeps_another_user_of_the_name() {
        let text = "lohar:x:1234:1234::/home/l:/bin/zsh\n";
        assert_eq!(with_line(text, LINE), text);
    }

    #[test]
    fn shadow_is_appended_to() {
        let text = "root:*:19000:0:99999:7:::\n";
        let edited = with_line(text, "lohar:*:19000:0:99999:7:::");
        assert!(edited.starts_with(text) && edited.lines().count() == 2);
    }
}
