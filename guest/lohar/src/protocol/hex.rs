//! Bytes as hexadecimal digits, which fit into a URL as they are.

use std::fmt::Write;

pub fn encode(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub fn decode(text: &str) -> Option<Vec<u8>> {
    let digit = |&digit: &u8| (digit as char).to_digit(16);
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some((digit(high)? << 4 | digit(low)?) as u8),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_the_round_trip() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(decode(&encode(&all)).as_deref(), Some(all.as_slice()));
        assert_eq!(encode(b"\0a\xff"), "0061ff");
        for wrong in ["0", "0g", "+1", "\u{e4}"] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }
}
