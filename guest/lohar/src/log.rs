//! lohar's own few lines: into the kernel's log in a VM, on stderr otherwise.

use std::fs::OpenOptions;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

static TO_KERNEL: AtomicBool = AtomicBool::new(false);

/// Applies to forked children too.
pub fn to_kernel() {
    TO_KERNEL.store(true, Ordering::Relaxed);
}

pub fn info(message: &str) {
    write("<6>", message);
}

pub fn warn(message: &str) {
    write("<4>", message);
}

/// For what is about to end the VM: on the console as well, whatever its log level is.
pub fn fatal(message: &str) {
    write("<2>", message);
    if TO_KERNEL.load(Ordering::Relaxed) {
        if let Ok(mut console) = OpenOptions::new().write(true).open("/dev/console") {
            let _ = console.write_all(format!("lohar: {message}\n").as_bytes());
        }
    }
}

fn write(level: &str, message: &str) {
    // There is no other place to say that saying something failed.
    if TO_KERNEL.load(Ordering::Relaxed) {
        if let Ok(mut log) = OpenOptions::new().write(true).open("/dev/kmsg") {
            let _ = log.write_all(format!("{level}lohar: {message}\n").as_bytes());
        }
    } else {
        let _ = std::io::stderr().write_all(format!("lohar: {message}\n").as_bytes());
    }
}
