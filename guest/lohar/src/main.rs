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
mod unavailable;

use std::path::PathBuf;
use std::process::ExitCode;

use serve::Place;

const USAGE: &str = "usage: lohar --socket PATH [--cwd DIRECTORY | --root DIRECTORY]
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
    let (path, place) = match arguments[..] {
        ["--version"] => {
            println!("lohar {}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        ["clock-rate"] => return clock_rate::main(),
        [init_leader::NAME, ref script @ ..] => return init_leader::main(script),
        ["copy-sparse", from, to] => return copy_sparse::main(from, to),
        ["--socket", path] => (path, Place::Here("/tmp".to_owned())),
        ["--socket", path, "--cwd", directory] => (path, Place::Here(directory.to_owned())),
        ["--socket", path, "--root", root] => (path, Place::Container(PathBuf::from(root))),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    let socket = serve::Socket {
        path: PathBuf::from(path),
        place,
    };
    match socket.serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::warn(&format!("cannot serve '{path}': {error}"));
            ExitCode::FAILURE
        }
    }
}
