//! Names and arguments are bytes, and JSON is Unicode: a byte that is not part of UTF-8 is a NUL and the byte's two
//! hexadecimal digits. No name and no argument has a NUL of its own.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fmt::Write;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

pub fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(text, "\0{byte:02x}");
        }
    }
    Cow::Owned(text)
}

/// A NUL that stands for no byte stays one, for the kernel's rules to refuse.
pub fn bytes_of(text: &str) -> Cow<'_, [u8]> {
    if !text.contains('\0') {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = match (first, after) {
            (0, [high, low, ..]) => byte_of(*high, *low),
            _ => None,
        };
        bytes.push(escaped.unwrap_or(*first));
        rest = match escaped {
            Some(_) => &after[2..],
            None => after,
        };
    }
    Cow::Owned(bytes)
}

pub fn path_of(text: &str) -> PathBuf {
    OsString::from_vec(bytes_of(text).into_owned()).into()
}

/// Of two digits; those of ASCII never stand for a byte.
fn byte_of(high: u8, low: u8) -> Option<u8> {
    let digits = [high, low];
    let text = std::str::from_utf8(&digits).ok()?;
    let is_lower = !digits
        .iter()
        .any(|digit| digit.is_ascii_uppercase() || *digit == b'+');
    let byte = u8::from_str_radix(text, 16).ok()?;
    (is_lower && byte >= 0x80).then_some(byte)
}

/// For `#[serde(with)]`.
pub mod path {
    use std::path::{Path, PathBuf};

    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::text_of(path.as_os_str().as_encoded_bytes()))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
        Ok(super::path_of(&String::deserialize(deserializer)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_are_inverse() {
        for (bytes, text) in [
            (&b"a/b"[..], "a/b"),
            ("é\u{fffd}".as_bytes(), "é\u{fffd}"),
            (b"a\xffb", "a\0ffb"),
            (b"\xe2\x82", "\0e2\x0082"),
            (b"\xe2\x82A", "\0e2\x0082A"),
            (b"\xc0\xaf", "\0c0\0af"),
            (b"\xed\xa0\x80", "\0ed\0a0\x0080"),
        ] {
            assert_eq!(text_of(bytes), text);
            assert_eq!(&*bytes_of(text), bytes);
        }
    }

    #[test]
    fn a_nul_that_stands_for_no_byte_stays() {
        for text in [
            "a\0", "a\0f", "a\x0041", "a\0FF", "a\0+f", "a\0zz", "\0\0ff",
        ] {
            assert!(bytes_of(text).contains(&0), "{text:?}");
        }
    }
}
