//! `sudo` for images that have none: a set-user-id copy of lohar under that name.

use std::ffi::CString;
use std::fs;
use std::process::ExitCode;

use crate::accounts::{groups_of, parse_passwd, usable_shell, LOHAR};
use crate::environment::DEFAULT_PATH;

const USAGE: &str = "usage: sudo [-EHins] [-u user] [--] [NAME=value …] command …";

#[derive(Debug, PartialEq, Eq, Default)]
struct Arguments {
    user: Option<String>,
    /// `-i`, `-s`: the user's shell, as a login shell or not.
    shell: Option<bool>,
    /// `-v`, `-k` and the like: nothing to do where no password is asked for.
    nothing: bool,
    variables: Vec<(String, String)>,
    command: Vec<String>,
}

struct Target {
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
    name: String,
    home: String,
    shell: String,
}

pub fn main(arguments: impl Iterator<Item = String>) -> ExitCode {
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("sudo: {message}");
            ExitCode::from(1)
        }
    }
}

fn run(arguments: impl Iterator<Item = String>) -> Result<(), String> {
    let arguments = parse(arguments)?;
    let caller = rustix::process::getuid().as_raw();
    if caller != 0 && caller != LOHAR {
        return Err(format!("user {caller} may not run commands as another"));
    }
    if arguments.nothing {
        return Ok(());
    }
    let target = find(arguments.user.as_deref().unwrap_or("root"))?;
    become_user(&target)?;
    let mut command = arguments.command;
    if let Some(login) = arguments.shell {
        if login {
            let _ = std::env::set_current_dir(&target.home);
        }
        let mut shell = vec![target.shell.clone()];
        if login {
            shell.push("-l".to_owned());
        }
        if !command.is_empty() {
            shell.extend(["-c".to_owned(), command.join(" ")]);
        }
        command = shell;
    }
    let path = std::env::var("PATH").ok().filter(|path| !path.is_empty());
    std::env::set_var("PATH", path.as_deref().unwrap_or(DEFAULT_PATH));
    std::env::set_var("HOME", &target.home);
    std::env::set_var("USER", &target.name);
    std::env::set_var("LOGNAME", &target.name);
    std::env::set_var("SHELL", &target.shell);
    std::env::set_var("SUDO_UID", caller.to_string());
    std::env::set_var("SUDO_COMMAND", command.join(" "));
    for (name, value) in arguments.variables {
        std::env::set_var(name, value);
    }
    let Some(program) = command.first() else {
        return Err(USAGE.to_owned());
    };
    let error = std::os::unix::process::CommandExt::exec(
        std::process::Command::new(program).args(&command[1..]),
    );
    Err(match error.kind() {
        std::io::ErrorKind::NotFound => format!("{program}: command not found"),
        _ => format!("{program}: {error}"),
    })
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut parsed = Arguments::default();
    let mut options = true;
    while let Some(argument) = arguments.next() {
        if options && argument == "--" {
            options = false;
        } else if options && argument.starts_with("--") {
            match argument.split_once('=') {
                Some(("--user", user)) => parsed.user = Some(user.to_owned()),
                _ if argument == "--user" => parsed.user = arguments.next(),
                _ if argument == "--login" => parsed.shell = Some(true),
                _ if argument == "--shell" => parsed.shell = Some(false),
                _ if argument.starts_with("--preserve-env") => {}
                _ if argument == "--non-interactive" || argument == "--set-home" => {}
                _ => return Err(format!("unknown option '{argument}'\n{USAGE}")),
            }
        } else if options && argument.len() > 1 && argument.starts_with('-') {
            short_options(&argument[1..], &mut arguments, &mut parsed)?;
        } else if let Some((name, value)) = variable(&argument) {
            parsed.variables.push((name, value));
        } else {
            parsed.command.push(argument);
            parsed.command.extend(arguments);
            break;
        }
    }
    if parsed.command.is_empty() && parsed.shell.is_none() && !parsed.nothing {
        return Err(USAGE.to_owned());
    }
    Ok(parsed)
}

fn short_options(
    letters: &str,
    rest: &mut impl Iterator<Item = String>,
    parsed: &mut Arguments,
) -> Result<(), String> {
    for (at, letter) in letters.char_indices() {
        let mut value = || match &letters[at + 1..] {
            "" => rest.next(),
            value => Some(value.to_owned()),
        };
        match letter {
            'n' | 'E' | 'H' | 'S' | 'P' | 'b' | 'A' => {}
            'i' => parsed.shell = Some(true),
            's' => parsed.shell = Some(false),
            'k' | 'K' | 'v' | 'l' => parsed.nothing = true,
            'u' => {
                parsed.user = Some(value().ok_or(USAGE)?);
                return Ok(());
            }
            'g' | 'p' => {
                value().ok_or(USAGE)?;
                return Ok(());
            }
            _ => return Err(format!("unknown option '-{letter}'\n{USAGE}")),
        }
    }
    Ok(())
}

fn variable(argument: &str) -> Option<(String, String)> {
    let (name, value) = argument.split_once('=')?;
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    is_name.then(|| (name.to_owned(), value.to_owned()))
}

fn find(user: &str) -> Result<Target, String> {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let group = fs::read_to_string("/etc/group").unwrap_or_default();
    let number = user
        .strip_prefix('#')
        .and_then(|number| number.parse::<u32>().ok());
    let account = parse_passwd(&passwd)
        .find(|account| number.map_or(account.name == user, |uid| account.uid == uid));
    match (account, number, user) {
        (Some(account), ..) => Ok(Target {
            uid: account.uid,
            gid: account.gid,
            groups: groups_of(&group, account.name, account.gid),
            name: account.name.to_owned(),
            home: account.home.to_owned(),
            shell: usable_shell(account.shell),
        }),
        (None, Some(uid), _) => Ok(stranger(uid, user)),
        (None, None, "root") => Ok(stranger(0, user)),
        _ => Err(format!("unknown user {user}")),
    }
}

fn stranger(uid: u32, name: &str) -> Target {
    Target {
        uid,
        gid: uid,
        groups: vec![uid],
        name: name.to_owned(),
        home: if uid == 0 { "/root" } else { "/" }.to_owned(),
        shell: "/bin/sh".to_owned(),
    }
}

fn become_user(target: &Target) -> Result<(), String> {
    // SAFETY: plain system calls on values that outlive them.
    let refused = unsafe {
        libc::setgroups(target.groups.len(), target.groups.as_ptr()) != 0
            || libc::setresgid(target.gid, target.gid, target.gid) != 0
            || libc::setresuid(target.uid, target.uid, target.uid) != 0
    };
    if refused {
        let error = std::io::Error::last_os_error();
        return Err(format!("cannot become {}: {error}", target.name));
    }
    if CString::new(target.home.as_str()).is_err() {
        return Err("the home directory has a zero byte".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Arguments, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_end_where_the_command_begins() {
        let arguments = parsed("-nE -u node --preserve-env=A FOO=1 ls -u x B=2").unwrap();
        assert_eq!(arguments.user.as_deref(), Some("node"));
        assert_eq!(arguments.variables, [("FOO".to_owned(), "1".to_owned())]);
        assert_eq!(arguments.command, ["ls", "-u", "x", "B=2"]);
        assert_eq!(
            parsed("-unode -- id").unwrap().user.as_deref(),
            Some("node")
        );
        assert_eq!(
            parsed("--user=#1001 id").unwrap().user.as_deref(),
            Some("#1001")
        );
    }

    #[test]
    fn shells_and_nothing() {
        assert_eq!(parsed("-i").unwrap().shell, Some(true));
        assert_eq!(parsed("-su node").unwrap().user.as_deref(), Some("node"));
        assert!(parsed("-v").unwrap().nothing);
        assert!(parsed("").is_err());
        assert!(parsed("-u").is_err());
        assert!(parsed("-z id").is_err());
        assert!(parsed("--frobnicate id").is_err());
    }
}
