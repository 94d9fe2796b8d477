//! What a program asks its terminal – who are you, where is the cursor, which colour is that – and the terminal answers
//! as if it had been typed.

use std::ops::Range;

const ENQUIRY: u8 = 0x05;
const BELL: u8 = 0x07;
const ESCAPE: u8 = 0x1b;
const CANCEL: [u8; 2] = [0x18, 0x1a];

/// Where the questions are in an output that begins between two sequences. One without its end is none yet.
pub fn questions(output: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(next) = output[at..]
        .iter()
        .position(|&byte| byte == ESCAPE || byte == ENQUIRY)
    {
        let start = at + next;
        let (length, asks) = match output[start] {
            ENQUIRY => (1, true),
            _ => sequence(&output[start..]),
        };
        at = start + length;
        if asks {
            found.push(start..at);
        }
    }
    found
}

/// How long the sequence is that begins here, and whether it asks.
fn sequence(rest: &[u8]) -> (usize, bool) {
    match rest.get(1) {
        Some(b'Z') => (2, true),
        Some(b'[') => control(rest),
        Some(b']' | b'P' | b'X' | b'^' | b'_') => text(rest),
        _ => (1, false),
    }
}

fn control(rest: &[u8]) -> (usize, bool) {
    let body = &rest[2..];
    let Some(end) = body.iter().position(|byte| !matches!(byte, 0x20..=0x3f)) else {
        return (rest.len(), false);
    };
    let length = 2 + end;
    match body[end] {
        last @ 0x40..=0x7e => (length + 1, control_asks(&body[..end], last)),
        _ => (length, false),
    }
}

fn control_asks(body: &[u8], last: u8) -> bool {
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b';');
    let first = body.iter().position(is_digit).unwrap_or(body.len());
    let (prefix, body) = match body.first() {
        Some(b'<'..=b'?') => (body[0], &body[1..]),
        _ if first == 0 || body.is_empty() || !is_digit(&body[0]) => (0, body),
        _ => return false,
    };
    let end = body.iter().position(|byte| !is_digit(byte));
    let (parameters, intermediate) = body.split_at(end.unwrap_or(body.len()));
    match (last, prefix, intermediate) {
        (b'c', 0 | b'>' | b'=', []) | (b'n', 0 | b'?', []) => true,
        (b'p', 0 | b'?', [b'$']) | (b'w', 0, [b'$']) | (b'y', 0, [b'*']) => true,
        (b'x', 0, []) | (b'q', b'>', []) | (b'u' | b'm' | b'S', b'?', []) => true,
        (b't', 0, []) => {
            let what = parameters.split(|&byte| byte == b';').next();
            matches!(
                what,
                Some(b"11" | b"13" | b"14" | b"15" | b"16" | b"18" | b"19" | b"20" | b"21")
            )
        }
        _ => false,
    }
}

/// A title, a colour, a picture: until BEL or ESC \.
fn text(rest: &[u8]) -> (usize, bool) {
    let kind = rest[1];
    let body = &rest[2..];
    let ends = |byte: &u8| *byte == ESCAPE || *byte == BELL || CANCEL.contains(byte);
    let Some(end) = body.iter().position(ends) else {
        return (rest.len(), false);
    };
    let length = match (body[end], body.get(end + 1)) {
        (ESCAPE, Some(b'\\')) => 2 + end + 2,
        (BELL, _) => 2 + end + 1,
        // Broken off; the byte may begin another one.
        _ => return (2 + end, false),
    };
    let body = &body[..end];
    let asks = match kind {
        b']' => body
            .split(|&byte| byte == b';')
            .skip(1)
            .any(|it| it == b"?"),
        b'P' => body.starts_with(b"$q") || body.starts_with(b"+q"),
        b'_' => body.starts_with(b"G") && body.windows(3).any(|it| it == b"a=q"),
        _ => false,
    };
    (length, asks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_told_from_what_only_looks_alike() {
        for question in [
            "\x1b[c",
            "\x1b[0c",
            "\x1b[>c",
            "\x1b[=0c",
            "\x1bZ",
            "\x05",
            "\x1b[5n",
            "\x1b[6n",
            "\x1b[?6n",
            "\x1b[?996n",
            "\x1b[?2026$p",
            "\x1b[4$p",
            "\x1b[x",
            "\x1b[>q",
            "\x1b[>0q",
            "\x1b[?u",
            "\x1b[?4m",
            "\x1b[14t",
            "\x1b[18t",
            "\x1b[1$w",
            "\x1b]11;?\x07",
            "\x1b]10;?\x1b\\",
            "\x1b]4;1;?\x1b\\",
            "\x1b]52;c;?\x07",
            "\x1bP$qm\x1b\\",
            "\x1bP+q436f\x1b\\",
            "\x1b_Gi=31,a=q;AAAA\x1b\\",
        ] {
            let twice = format!("{question}a{question}b");
            let second = question.len() + 1..twice.len() - 1;
            let both = [0..question.len(), second];
            assert_eq!(questions(twice.as_bytes()), both, "{question:?}");
        }
        for other in [
            "\x1b[6",
            "\x1b[m",
            "\x1b[?25h",
            "\x1b[>4;2m",
            "\x1b[>4n",
            "\x1b[!p",
            "\x1b[2 q",
            "\x1b[u",
            "\x1b[22;0;0t",
            "\x1b[1;24r",
            "\x1b[H",
            "\x1bc",
            "\x1b]0;why?\x07",
            "\x1b]11;#fff\x07",
            "\x1b]11;?",
            "\x1bPq#0\x1b\\",
            "\x1b[6\x18n",
            "\x1b[6\nn",
            "6n",
            "\x1b]0;\x1b",
            "\x1b",
            "\x1b[",
        ] {
            assert_eq!(questions(format!("a{other}").as_bytes()), [], "{other:?}");
        }
    }

    #[test]
    fn one_after_the_other() {
        assert_eq!(
            questions(b"\x1b]11;?\x1b[6n\x1b\x1b[c\x05"),
            [6..10, 11..14, 14..15]
        );
    }
}
