//! Why the kernel refused, in its own words and without numbers.

use rustix::io::Errno;

pub fn reason(error: Errno) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

pub fn reason_of(error: &std::io::Error) -> String {
    match Errno::from_io_error(error) {
        Some(errno) => reason(errno),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_it_in_words() {
        assert_eq!(reason(Errno::NOENT), "No such file or directory");
        let error = std::io::Error::from_raw_os_error(libc::EACCES);
        assert_eq!(reason_of(&error), "Permission denied");
    }
}
