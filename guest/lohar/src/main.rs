//! lohar, the guest agent of bhatti. Decides what it is: PID 1 of a VM, a server on a socket, or a helper.

mod accounts;
mod activity;
mod boot;
mod clock_rate;
mod copy_sparse;
mod environment;
mod files;
mod init_leader;
mod log;
mod machine;
mod protocol;
#[cfg(test)]
mod random;
mod reactor;
mod reason;
mod serve;
mod server;
mod sessions;
mod stats;
mod sudo;
mod timer_check;

use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "usage: lohar --socket PATH [--cwd DIRECTORY]
       lohar clock-rate
       lohar copy-sparse FROM TO
       lohar --version";

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned());
    let name = arguments.next().unwrap_or_default();
    if name.rsplit('/').next() == Some("sudo") {
        return sudo::main(arguments);
    }
    if std::process::id() == 1 {
        let reason = serve::as_init();
        log::fatal(&reason);
        return ExitCode::FAILURE;
    }
    let arguments: Vec<String> = arguments.collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (path, directory) = match arguments[..] {
        ["--version"] => {
            println!("lohar {}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        ["clock-rate"] => return clock_rate::main(),
        [init_leader::NAME, ref script @ ..] => return init_leader::main(script),
        ["copy-sparse", from, to] => return copy_sparse::main(from, to),
        ["--socket", path] => (path, "/tmp"),
        ["--socket", path, "--cwd", directory] | ["--cwd", directory, "--socket", path] => {
            (path, directory)
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    let socket = serve::Socket {
        path: PathBuf::from(path),
        directory: directory.to_owned(),
    };
    match socket.serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::warn(&format!("cannot serve '{path}': {error}"));
            ExitCode::FAILURE
        }
    }
}
