//! The modes of a terminal that outlast the output that sets them.

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Modes {
    /// A bit for each of `PRIVATE` that is not as in a fresh terminal.
    changed: u16,
    /// The number with which the alternate screen was chosen.
    pub alternate: Option<u16>,
    pub keypad: bool,
}

/// The number of a mode, and whether a fresh terminal has it.
const PRIVATE: [(u16, bool); 11] = [
    (1, false),
    (7, true),
    (25, true),
    (1000, false),
    (1002, false),
    (1003, false),
    (1004, false),
    (1005, false),
    (1006, false),
    (1015, false),
    (2004, false),
];
const ALTERNATE: [u16; 3] = [47, 1047, 1049];

impl Modes {
    pub fn set(&mut self, number: u16, on: bool) {
        if ALTERNATE.contains(&number) {
            self.alternate = on.then_some(number);
        } else if let Some(at) = PRIVATE.iter().position(|&(known, _)| known == number) {
            match PRIVATE[at].1 == on {
                true => self.changed &= !(1 << at),
                false => self.changed |= 1 << at,
            }
        }
    }

    /// The screen, the mouse and pasting stay as they are.
    pub fn reset_softly(&mut self) {
        self.keypad = false;
        for (number, fresh) in &PRIVATE[..3] {
            self.set(*number, *fresh);
        }
    }

    /// What makes a fresh terminal one like this.
    pub fn prelude(&self) -> String {
        let mut text = String::new();
        let mut set = |number: u16, on: bool| {
            text.push_str(&format!("\x1b[?{number}{}", if on { 'h' } else { 'l' }));
        };
        if let Some(number) = self.alternate {
            set(number, true);
        }
        for (at, (number, fresh)) in PRIVATE.iter().enumerate() {
            if self.changed & 1 << at != 0 {
                set(*number, !fresh);
            }
        }
        if self.keypad {
            text.push_str("\x1b=");
        }
        text
    }
}
