//! What a terminal is told by the bytes that a program writes, as far as it outlasts them: whether it stands within a
//! character or an escape sequence, and which modes are set.

use super::modes::Modes;

#[derive(Clone, Default, Debug)]
pub struct Screen {
    state: State,
    private: bool,
    /// Another sign than `?`, or an intermediate byte: a sequence of those that we do not know.
    foreign: bool,
    soft_reset: bool,
    parameters: [u16; MOST_PARAMETERS],
    count: usize,
    modes: Modes,
}

const MOST_PARAMETERS: usize = 16;
const ESCAPE: u8 = 0x1b;

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
enum State {
    #[default]
    Ground,
    /// So many bytes of a character are missing.
    Character(u8),
    Escape,
    /// One byte of those that follow an intermediate one.
    EscapeRest,
    Control,
    /// A title, a clipboard, a picture: until BEL or ESC \.
    Text,
}

impl Screen {
    pub fn feed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.state == State::Ground {
                let plain = rest.iter().position(|&byte| byte == ESCAPE || byte >= 0x80);
                rest = &rest[plain.unwrap_or(rest.len())..];
            }
            let Some((&byte, others)) = rest.split_first() else {
                return;
            };
            self.step(byte);
            rest = others;
        }
    }

    /// The next byte is the first of a character or sequence, whichever it is.
    pub fn is_between(&self) -> bool {
        self.state == State::Ground
    }

    /// Whether this byte would be the first of a character or sequence.
    pub fn begins_with(&self, byte: u8) -> bool {
        let broken_off = matches!(self.state, State::Character(_)) && byte & 0xc0 != 0x80;
        self.is_between() || broken_off
    }

    pub fn is_alternate(&self) -> bool {
        self.modes.alternate.is_some()
    }

    pub fn step(&mut self, byte: u8) {
        self.state = match (self.state, byte) {
            (State::Ground, _) => first(byte),
            (State::Character(left), 0x80..=0xbf) => match left {
                0 | 1 => State::Ground,
                left => State::Character(left - 1),
            },
            (State::Character(_), _) => first(byte),
            // CAN and SUB break any sequence off.
            (_, 0x18 | 0x1a) => State::Ground,
            (State::Text, 0x07) => State::Ground,
            (_, ESCAPE) => State::Escape,
            (State::Text, _) => State::Text,
            (State::Escape, _) => self.escape(byte),
            (State::EscapeRest, 0x20..=0x2f) => State::EscapeRest,
            (State::EscapeRest | State::Control, 0x00..=0x1f) => self.state,
            (State::EscapeRest, _) => State::Ground,
            (State::Control, _) => self.control(byte),
        }
    }

    fn escape(&mut self, byte: u8) -> State {
        match byte {
            b'[' => {
                (self.private, self.foreign, self.soft_reset) = (false, false, false);
                (self.parameters, self.count) = ([0; MOST_PARAMETERS], 0);
                return State::Control;
            }
            b']' | b'P' | b'X' | b'^' | b'_' => return State::Text,
            0x20..=0x2f => return State::EscapeRest,
            0x00..=0x1f => return State::Escape,
            b'=' => self.modes.keypad = true,
            b'>' => self.modes.keypad = false,
            b'c' => self.modes = Modes::default(),
            _ => {}
        }
        State::Ground
    }

    fn control(&mut self, byte: u8) -> State {
        match byte {
            b'0'..=b'9' => {
                if let Some(parameter) = self.parameters.get_mut(self.count) {
                    let digit = u16::from(byte - b'0');
                    *parameter = parameter.saturating_mul(10).saturating_add(digit);
                }
            }
            b';' | b':' => self.count = (self.count + 1).min(MOST_PARAMETERS),
            b'?' => self.private = true,
            b'!' => self.soft_reset = true,
            0x20..=0x2f | b'<'..=b'>' => self.foreign = true,
            _ => {
                self.finish(byte);
                return State::Ground;
            }
        }
        State::Control
    }

    fn finish(&mut self, last: u8) {
        match (last, self.private, self.soft_reset) {
            _ if self.foreign => {}
            (b'h' | b'l', true, false) => {
                let count = (self.count + 1).min(MOST_PARAMETERS);
                for &number in &self.parameters[..count] {
                    self.modes.set(number, last == b'h');
                }
            }
            // A soft reset leaves the screen, the mouse and pasting as they are.
            (b'p', false, true) => {
                self.modes.reset_softly();
            }
            _ => {}
        }
    }

    /// What makes a fresh terminal one like this.
    pub fn prelude(&self) -> String {
        self.modes.prelude()
    }
}

/// A byte that nothing comes before.
fn first(byte: u8) -> State {
    match byte {
        ESCAPE => State::Escape,
        0xc2..=0xdf => State::Character(1),
        0xe0..=0xef => State::Character(2),
        0xf0..=0xf4 => State::Character(3),
        _ => State::Ground,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    const VIM_STARTS: &str = "\x1b[?1049h\x1b[22;0;0t\x1b[>4;2m\x1b[?1h\x1b=\x1b[?2004h\x1b[?1004h\x1b[1;24r\x1b[?12h\
        \x1b[?12l\x1b[22;2t\x1b[22;1t\x1b[27m\x1b[23m\x1b[29m\x1b[m\x1b[H\x1b[2J\x1b[?25l\x1b[24;1H\"a.txt\" 3L, 12B\
        \x1b[2;1H\u{25bd}\x1b[6n\x1b[2;1H  \x1b[3;1H\x1bPzz\x1b\\\x1b[0%m\x1b[6n\x1b[3;1H           \x1b[1;1H\x1b[>c\
        \x1b]10;?\x07\x1b]11;?\x07\x1b[1;1Hone\r\ntwo\x1b[1;1H\x1b[?25h\x1bP+q436f\x1b\\";
    const VIM_ENDS: &str = "\x1b[?1004l\x1b[?2004l\x1b[?1l\x1b>\x1b[24;1H\x1b[K\x1b[24;1H\x1b[?1004l\x1b[?2004l\x1b[?1l\
        \x1b>\x1b[?1049l\x1b[23;0;0t\x1b[?25h\x1b[>4;m";
    const LESS_STARTS: &str =
        "\x1b[?1049h\x1b[22;0;0t\x1b[?1h\x1b=\rone\r\n\x1b[7mlines 1-23\x1b[27m\x1b[K";
    const LESS_ENDS: &str = "\r\x1b[K\x1b[?1l\x1b>\x1b[?1049l\x1b[23;0;0t";
    const HTOP_STARTS: &str = "\x1b[?1049h\x1b[22;0;0t\x1b[1;24r\x1b(B\x1b[m\x1b[4l\x1b[?7h\x1b[?1h\x1b=\x1b[?25l\
        \x1b[39;49m\x1b[?1000h\x1b[?1006h\x1b[39;49m\x1b(B\x1b[m\x1b[H\x1b[2J\x1b[2d  \x1b[36m0\x1b[K";
    const HTOP_ENDS: &str =
        "\x1b[24;1H\x1b[?12l\x1b[?25h\x1b[?1006;1000l\x1b[39;49m\r\x1b[24d\x1b[K\x1b[24;1H\
        \x1b[?1049l\x1b[23;0;0t\r\x1b[?1l\x1b>";

    fn after(text: &str) -> Screen {
        let mut screen = Screen::default();
        screen.feed(text.as_bytes());
        screen
    }

    #[test]
    fn a_program_that_fills_the_screen_is_known_by_what_it_sets() {
        let cases = [
            (
                VIM_STARTS,
                VIM_ENDS,
                "\x1b[?1049h\x1b[?1h\x1b[?1004h\x1b[?2004h\x1b=",
            ),
            (LESS_STARTS, LESS_ENDS, "\x1b[?1049h\x1b[?1h\x1b="),
            (
                HTOP_STARTS,
                HTOP_ENDS,
                "\x1b[?1049h\x1b[?1h\x1b[?25l\x1b[?1000h\x1b[?1006h\x1b=",
            ),
        ];
        for (starts, ends, prelude) in cases {
            let screen = after(starts);
            assert!(screen.is_alternate() && screen.is_between());
            assert_eq!(screen.prelude(), prelude);
            let screen = after(&[starts, ends].concat());
            assert!(!screen.is_alternate() && screen.is_between());
            assert_eq!(screen.prelude(), "");
        }
    }

    #[test]
    fn a_prelude_leads_to_the_same_prelude() {
        for text in [
            VIM_STARTS,
            LESS_STARTS,
            HTOP_STARTS,
            "\x1b[?7l\x1b[?47h\x1b[?1003;1015h",
        ] {
            let prelude = after(text).prelude();
            assert_eq!(after(&prelude).prelude(), prelude);
        }
    }

    #[test]
    fn it_does_not_matter_in_which_pieces_it_comes() {
        let mut random = Random::new(3);
        let whole: Vec<u8> = [VIM_STARTS, HTOP_STARTS, LESS_ENDS, LESS_STARTS]
            .concat()
            .into();
        for _ in 0..200 {
            let mut bytes = whole.clone();
            for _ in 0..random.below(10) {
                let at = random.below(bytes.len());
                bytes[at] = random.byte();
            }
            let (mut one, mut other) = (Screen::default(), Screen::default());
            one.feed(&bytes);
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let (piece, others) = rest.split_at(1 + random.below(rest.len()));
                other.feed(piece);
                rest = others;
            }
            assert_eq!((one.state, one.modes), (other.state, other.modes));
        }
    }

    #[test]
    fn knows_when_it_is_within_something() {
        for within in [
            "\x1b",
            "\x1b[",
            "\x1b[?10",
            "\x1b]0;a title",
            "\x1bPq\x1b",
            "\x1b(",
        ] {
            assert!(!after(within).is_between(), "{within:?}");
        }
        let mut screen = Screen::default();
        screen.feed(&"\u{20ac}".as_bytes()[..2]);
        assert!(!screen.is_between() && screen.begins_with(b'a') && !screen.begins_with(0x80));
        for between in [
            "",
            "a",
            "\u{20ac}",
            "\x1b[m",
            "\x1b]0;a\x07",
            "\x1b]0;a\x1b\\",
            "\x1b[?1\x18",
            "\x1b(B",
        ] {
            assert!(after(between).is_between(), "{between:?}");
        }
    }

    #[test]
    fn resets_reset() {
        let full = after(&[HTOP_STARTS, "\x1bc"].concat());
        assert_eq!(full.prelude(), "");
        let soft = after("\x1b[?1049h\x1b[?1h\x1b=\x1b[?25l\x1b[?2004h\x1b[!p");
        assert_eq!(soft.prelude(), "\x1b[?1049h\x1b[?2004h");
        // Sequences that only look alike.
        assert_eq!(
            after("\x1b[1049h\x1b[>1049h\x1b[?25$p\x1b[?1049s").prelude(),
            ""
        );
    }
}
