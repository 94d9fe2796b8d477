//! The environment variables of processes.

use std::collections::BTreeMap;

use crate::accounts::Identity;
use crate::protocol::byte_text::bytes_of;
use crate::protocol::messages::Failure;

pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The environment of a process: the defaults, then what `configure` gave, then the request's own.
pub fn environment<'a>(
    identity: &'a Identity,
    configured: &'a BTreeMap<String, String>,
    requested: &'a BTreeMap<String, String>,
) -> BTreeMap<&'a str, &'a str> {
    let mut environment = BTreeMap::from([
        ("PATH", DEFAULT_PATH),
        ("TERM", "xterm-256color"),
        ("HOME", identity.home.as_str()),
        ("USER", identity.name.as_str()),
        ("LOGNAME", identity.name.as_str()),
        ("SHELL", identity.shell.as_str()),
        ("LANG", "C.UTF-8"),
    ]);
    for (name, value) in configured.iter().chain(requested) {
        environment.insert(name, value);
    }
    environment
}

pub fn check_variable(name: &str, value: &str) -> Result<(), Failure> {
    if name.is_empty() || name.contains(['=', '\0']) || bytes_of(value).contains(&0) {
        let message = format!("Invalid environment variable '{name}'");
        return Err(Failure::bad_request(message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_environments_win() {
        let identity = Identity {
            uid: 1000,
            gid: 1000,
            groups: vec![],
            name: "lohar".into(),
            home: "/home/lohar".into(),
            shell: "/bin/sh".into(),
            switch: false,
        };
        let configured = BTreeMap::from([("A".into(), "1".into()), ("LANG".into(), "C".into())]);
        let requested = BTreeMap::from([("A".into(), "2".into())]);
        let merged = environment(&identity, &configured, &requested);
        assert_eq!(merged["A"], "2");
        assert_eq!(merged["LANG"], "C");
        assert_eq!(merged["USER"], "lohar");
    }
}
