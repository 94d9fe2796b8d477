//! Signals by name.

const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// `INT`, `SIGINT` and `int` alike.
pub fn number(name: &str) -> Option<i32> {
    let name = name.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let at = NAMES.iter().position(|&known| known == name)?;
    i32::try_from(at + 1).ok()
}

pub fn name(number: i32) -> String {
    let known = usize::try_from(number - 1)
        .ok()
        .and_then(|at| NAMES.get(at));
    match known {
        Some(known) => format!("SIG{known}"),
        None => format!("SIG{number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_agree() {
        assert_eq!(number("SIGKILL"), Some(libc::SIGKILL));
        assert_eq!(number("term"), Some(libc::SIGTERM));
        assert_eq!(number("SIGSYS"), Some(libc::SIGSYS));
        assert_eq!(number("SIG"), None);
        assert_eq!(name(libc::SIGWINCH), "SIGWINCH");
        assert_eq!(name(0), "SIG0");
        assert_eq!(name(40), "SIG40");
        for signal in 1..=31 {
            assert_eq!(number(&name(signal)), Some(signal));
        }
    }
}
