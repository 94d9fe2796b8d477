//! The records of an extended header: "length key=value\n".

#[derive(Default, Debug, PartialEq, Eq)]
pub struct Records {
    pub path: Option<Vec<u8>>,
    pub target: Option<Vec<u8>>,
    pub size: Option<u64>,
    pub mtime: Option<(i64, u32)>,
    /// A file with holes in a form of GNU's own.
    pub sparse: bool,
    /// GNU's form 1.0, in which a map comes before the file's bytes.
    pub major: Option<u64>,
    pub minor: Option<u64>,
    pub sparse_name: Option<Vec<u8>>,
    pub real_size: Option<u64>,
}

/// None when malformed.
pub fn parse(mut bytes: &[u8]) -> Option<Records> {
    let mut records = Records::default();
    while !bytes.is_empty() {
        let space = bytes.iter().take(20).position(|&byte| byte == b' ')?;
        let length: usize = text(&bytes[..space])?.parse().ok()?;
        let record = bytes.get(space + 1..length)?.strip_suffix(b"\n")?;
        let equals = record.iter().position(|&byte| byte == b'=')?;
        let value = &record[equals + 1..];
        match &record[..equals] {
            b"path" => records.path = Some(value.to_vec()),
            b"linkpath" => records.target = Some(value.to_vec()),
            b"size" => records.size = Some(text(value)?.parse().ok()?),
            b"mtime" => records.mtime = Some(parse_time(text(value)?)?),
            b"GNU.sparse.major" => records.major = Some(text(value)?.parse().ok()?),
            b"GNU.sparse.minor" => records.minor = Some(text(value)?.parse().ok()?),
            b"GNU.sparse.name" => records.sparse_name = Some(value.to_vec()),
            b"GNU.sparse.realsize" => records.real_size = Some(text(value)?.parse().ok()?),
            _ => {}
        }
        records.sparse |= record.starts_with(b"GNU.sparse.");
        bytes = &bytes[length..];
    }
    Some(records)
}

pub fn append_record(out: &mut Vec<u8>, key: &str, value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length.to_string().len() + rest > length {
        length += 1;
    }
    out.extend_from_slice(format!("{length} {key}=").as_bytes());
    out.extend_from_slice(value);
    out.push(b'\n');
}

/// Decimal seconds. The nanoseconds count forward from the second before.
pub fn time(seconds: i64, nanoseconds: u32) -> String {
    if seconds < 0 && nanoseconds > 0 {
        let (seconds, nanoseconds) = (seconds + 1, 1_000_000_000 - nanoseconds);
        return format!("-{}.{nanoseconds:09}", seconds.unsigned_abs());
    }
    if nanoseconds == 0 {
        return seconds.to_string();
    }
    format!("{seconds}.{nanoseconds:09}")
}

fn parse_time(text: &str) -> Option<(i64, u32)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = &fraction[..fraction.len().min(9)];
    let nanoseconds: u32 = format!("{digits:0<9}").parse().ok()?;
    match (whole.starts_with('-'), nanoseconds) {
        (true, 1..) => Some((seconds.checked_sub(1)?, 1_000_000_000 - nanoseconds)),
        _ => Some((seconds, nanoseconds)),
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_itself() {
        for length in [1, 2, 85, 90, 91, 92, 93, 94, 983, 984, 985, 986, 5000] {
            let mut out = Vec::new();
            let value = vec![b'x'; length];
            append_record(&mut out, "path", &value);
            assert_eq!(parse(&out).unwrap().path, Some(value), "{length}");
        }
    }

    #[test]
    fn times_go_there_and_back() {
        for time_of in [
            (0, 0),
            (7, 500_000_000),
            (-1, 0),
            (-1, 500_000_000),
            (-9, 1),
        ] {
            let (seconds, nanoseconds) = time_of;
            let text = time(seconds, nanoseconds);
            assert_eq!(parse_time(&text), Some(time_of), "{text}");
        }
        for wrong in ["", "x", "1.x", "1.-5", "99999999999999999999"] {
            assert_eq!(parse_time(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_malformed_is_none() {
        for wrong in [
            &b"5"[..],
            b"0 a=b\n",
            b"99 a=b\n",
            b"6 a=bc\n",
            b"6 abc\n",
            b"7 size=\n",
        ] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
