//! lohar's own few lines: into the kernel's log as PID 1, on stderr otherwise.

use std::fs::OpenOptions;
use std::io::Write;

pub fn info(message: &str) {
    write("<6>", message);
}

pub fn warn(message: &str) {
    write("<4>", message);
}

/// For what is about to end the VM: on the console as well, whatever its log level is.
pub fn fatal(message: &str) {
    write("<2>", message);
    if std::process::id() == 1 {
        if let Ok(mut console) = OpenOptions::new().write(true).open("/dev/console") {
            let _ = console.write_all(format!("lohar: {message}\n").as_bytes());
        }
    }
}

fn write(level: &str, message: &str) {
    // There is no other place to say that saying something failed.
    if std::process::id() == 1 {
        if let Ok(mut log) = OpenOptions::new().write(true).open("/dev/kmsg") {
            let _ = log.write_all(format!("{level}lohar: {message}\n").as_bytes());
        }
    } else {
        let _ = std::io::stderr().write_all(format!("lohar: {message}\n").as_bytes());
    }
}
