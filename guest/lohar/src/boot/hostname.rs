//! The guest's name: in the kernel, and in the files that must agree with it.

use super::own_files::{self, HOSTNAME, HOSTS};

pub fn set(name: &str) -> std::io::Result<()> {
    rustix::system::sethostname(name.as_bytes())?;
    own_files::write(HOSTNAME, &format!("{name}\n"))?;
    let hosts = std::fs::read(HOSTS).unwrap_or_default();
    let hosts = hosts_with(&String::from_utf8_lossy(&hosts), name);
    own_files::write(HOSTS, &hosts)
}

pub fn is_valid(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    (1..=64).contains(&name.len()) && name.bytes().all(allowed) && !name.starts_with(['-', '.'])
}

/// Adds `localhost` where it lacks, and gives the line of 127.0.1.1 to `name`.
fn hosts_with(hosts: &str, name: &str) -> String {
    let address = |line: &str| line.split_whitespace().next().map(str::to_owned);
    let has = |wanted: &str| {
        hosts
            .lines()
            .any(|line| address(line).as_deref() == Some(wanted))
    };
    let mut lines = Vec::new();
    if !has("127.0.0.1") {
        lines.push("127.0.0.1\tlocalhost".to_owned());
    }
    if !has("::1") {
        lines.push("::1\tlocalhost ip6-localhost ip6-loopback".to_owned());
    }
    let ours = format!("127.0.1.1\t{name}");
    let mut written = false;
    for line in hosts.lines() {
        if address(line).as_deref() != Some("127.0.1.1") {
            lines.push(line.to_owned());
        } else if !std::mem::replace(&mut written, true) {
            lines.push(ours.clone());
        }
    }
    if !written {
        lines.push(ours);
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_hosts_from_nothing_and_again() {
        let first = hosts_with("", "dev");
        assert_eq!(
            first,
            "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\tdev\n"
        );
        assert_eq!(hosts_with(&first, "dev"), first);
        assert_eq!(hosts_with(&first, "other"), first.replace("dev", "other"));
    }

    #[test]
    fn keeps_what_others_wrote() {
        let hosts = "127.0.0.1 localhost\n::1 localhost\n# mine\n10.0.0.1 db\n127.0.1.1 old\n127.0.1.1 old2\n";
        assert_eq!(
            hosts_with(hosts, "new"),
            "127.0.0.1 localhost\n::1 localhost\n# mine\n10.0.0.1 db\n127.0.1.1\tnew\n"
        );
    }

    #[test]
    fn names_are_checked() {
        assert!(is_valid("dev-1.example"));
        for wrong in ["", "-a", ".a", "a b", "a\n127.0.0.1 evil", "ä"] {
            assert!(!is_valid(wrong), "{wrong}");
        }
    }
}
