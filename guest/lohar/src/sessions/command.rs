//! A command made ready for `execve` before anything is forked: nothing may be allocated after that.

use std::collections::BTreeMap;
use std::ffi::{c_char, CString};
use std::ptr;

use crate::environment::{check_variable, DEFAULT_PATH};
use crate::protocol::byte_text::bytes_of;
use crate::protocol::messages::Failure;

const MAX_ARGUMENTS: usize = 16_384;

/// Owns the strings that its pointers point to.
pub struct Command {
    strings: Vec<CString>,
    /// The files to try, up to a null.
    pub candidates: Vec<*const c_char>,
    /// Its first place is free, for the shell that runs a script without an interpreter line.
    pub argv: Vec<*const c_char>,
    pub envp: Vec<*const c_char>,
    pub directory: *const c_char,
    /// The file that gets stdout and stderr; null: none.
    pub output: *const c_char,
}

impl Command {
    pub fn new(
        argv: &[String],
        environment: &BTreeMap<&str, &str>,
        directory: &str,
    ) -> Result<Self, Failure> {
        if argv.len() > MAX_ARGUMENTS {
            let message = format!("{} arguments, the maximum is {MAX_ARGUMENTS}", argv.len());
            return Err(Failure::bad_request(message));
        }
        let program = argv
            .first()
            .ok_or_else(|| Failure::bad_request("The program is missing"))?;
        let path = environment.get("PATH").copied().unwrap_or(DEFAULT_PATH);
        let mut command = Command {
            strings: Vec::with_capacity(argv.len() + environment.len() + 8),
            candidates: Vec::new(),
            argv: vec![ptr::null()],
            envp: Vec::with_capacity(environment.len() + 1),
            directory: ptr::null(),
            output: ptr::null(),
        };
        for file in files_to_try(program, path) {
            let file = command.keep(&file)?;
            command.candidates.push(file);
        }
        for argument in argv {
            let argument = command.keep(argument)?;
            command.argv.push(argument);
        }
        for (name, value) in environment {
            check_variable(name, value)?;
            let variable = command.keep(&format!("{name}={value}"))?;
            command.envp.push(variable);
        }
        command.directory = command.keep(directory)?;
        command.candidates.push(ptr::null());
        command.argv.push(ptr::null());
        command.envp.push(ptr::null());
        Ok(command)
    }

    pub fn write_to(&mut self, file: &str) -> Result<(), Failure> {
        self.output = self.keep(file)?;
        Ok(())
    }

    fn keep(&mut self, text: &str) -> Result<*const c_char, Failure> {
        let text = CString::new(bytes_of(text))
            .map_err(|_| Failure::bad_request("An argument or variable contains a NUL byte"))?;
        // The pointer is to the string's own allocation, which does not move with the vector.
        let pointer = text.as_ptr();
        self.strings.push(text);
        Ok(pointer)
    }
}

/// As a shell looks for it: in the directories of `PATH`, an empty one being the current directory.
fn files_to_try(program: &str, path: &str) -> Vec<String> {
    if program.is_empty() {
        return Vec::new();
    }
    if program.contains('/') {
        return vec![program.to_owned()];
    }
    path.split(':')
        .map(|directory| match directory {
            "" => format!("./{program}"),
            _ => format!("{}/{program}", directory.trim_end_matches('/')),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_programs_up_in_the_path() {
        assert_eq!(
            files_to_try("ls", "/bin:/usr/bin/"),
            ["/bin/ls", "/usr/bin/ls"]
        );
        assert_eq!(files_to_try("ls", ":/bin"), ["./ls", "/bin/ls"]);
        assert_eq!(files_to_try("./ls", "/bin"), ["./ls"]);
        assert!(files_to_try("", "/bin").is_empty());
    }

    #[test]
    fn refuses_what_execve_cannot_take() {
        let none = BTreeMap::new();
        let code = |argv: &[&str], environment: &BTreeMap<&str, &str>| {
            let argv: Vec<String> = argv.iter().map(|&text| text.to_owned()).collect();
            Command::new(&argv, environment, "/")
                .err()
                .map(|failure| failure.code)
        };
        assert_eq!(code(&["ls", "-l"], &none), None);
        assert_eq!(code(&[], &none), Some("bad_request"));
        assert_eq!(code(&["a\0b"], &none), Some("bad_request"));
        assert_eq!(
            code(&["ls"], &BTreeMap::from([("A=B", "")])),
            Some("bad_request")
        );
        assert_eq!(code(&["x"; 16_385], &none), Some("bad_request"));
    }
}
