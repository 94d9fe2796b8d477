//! The loopback interface, which a new kernel leaves down.

use super::interface::Interface;

pub fn bring_up() {
    if let Err(error) = Interface::named("lo").and_then(|loopback| loopback.bring_up()) {
        crate::log::warn(&format!("cannot bring up lo: {error}"));
    }
}
