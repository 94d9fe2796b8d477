//! The `log` stream: what is in a session's log, and with `follow` what comes into it, whatever the log is called by then.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::fd::AsFd;
use std::rc::Rc;

use rustix::fs::fgetxattr;
use rustix::io::Errno;

use super::credit::Credit;
use super::log_folder::{LogFolder, Part};
use super::session_log::{Gap, OFFSET};
use crate::protocol::outgoing::{Outgoing, MAX_DATA};

pub struct LogReader {
    pub stream: u32,
    pub session: String,
    pub credit: Credit,
    folder: Rc<LogFolder>,
    /// Those that are not read to their end; the last one goes on being read while it grows.
    files: VecDeque<File>,
    /// The generation that is read after them.
    next: u64,
    /// The offset of the first byte that is told; unknown of what was put aside by somebody who is not known any more.
    pub offset: Option<u64>,
    /// How much more is told; without it there is no end.
    left: Option<u64>,
    /// Follows the log: about a gap that the file itself does not mention.
    note: Option<Vec<u8>>,
    /// Nothing is there until the session writes or ends.
    pub waits: bool,
}

/// From where on a log is told.
#[derive(Clone, Copy)]
pub enum Start {
    Oldest,
    /// So many bytes before its end.
    Tail(u64),
    /// Where an earlier stream left off.
    From(u64),
}

/// What is known of a session that may still write.
#[derive(Clone, Copy)]
pub struct Source {
    pub generation: u64,
    /// The offset of the byte that it writes next.
    pub end: u64,
    pub ended: bool,
    pub gap: Option<Gap>,
}

#[derive(PartialEq, Eq, Debug)]
pub enum Step {
    Moved,
    Waits,
    Over,
    /// What comes next is not kept any more.
    Missed,
    Failed(Errno),
}

impl LogReader {
    /// None when there is no log of this name.
    pub fn open(
        stream: u32,
        session: &str,
        folder: Rc<LogFolder>,
        source: Option<Source>,
        follow: bool,
        start: Start,
    ) -> std::io::Result<Option<Self>> {
        let mut files = VecDeque::new();
        let mut sizes = VecDeque::new();
        let mut was_put_aside = false;
        let mut next = source.map_or(0, |source| source.generation);
        for part in [Part::Older, Part::Newest] {
            if let Some(file) = folder.open(session, part)? {
                sizes.push_back(file.metadata()?.len());
                files.push_back(file);
                match part {
                    Part::Older => was_put_aside = true,
                    // One that was put aside may not have been begun again so far.
                    Part::Newest => next += 1,
                }
            }
        }
        if files.is_empty() && source.is_none() {
            return Ok(None);
        }
        let total: u64 = sizes.iter().sum();
        let known_end = match source {
            Some(source) => Some(source.end),
            None if was_put_aside => files.front().and_then(first_offset).map(|at| at + total),
            None => Some(total),
        };
        let mut note = None;
        let told = match (start, known_end) {
            (Start::Tail(bytes), _) => bytes.min(total),
            (Start::From(offset), Some(end)) if offset <= end => (end - offset).min(total),
            // In the note, or behind it.
            (Start::From(offset), Some(end)) if offset - end <= note_of(source).len() as u64 => {
                note = Some(note_of(source).split_off((offset - end) as usize));
                0
            }
            _ => total,
        };
        let mut skip = total - told;
        for (file, size) in files.iter_mut().zip(sizes) {
            file.seek(SeekFrom::Start(skip.min(size)))?;
            skip = skip.saturating_sub(size);
        }
        Ok(Some(LogReader {
            stream,
            session: session.to_owned(),
            credit: Credit::default(),
            folder,
            files,
            next,
            offset: known_end.map(|end| end - told),
            left: (!follow).then_some(told),
            note,
            waits: false,
        }))
    }

    pub fn is_due(&self) -> bool {
        !self.waits && self.credit.left() > 0
    }

    /// Tells one piece.
    pub fn step(&mut self, outgoing: &mut Outgoing, source: Option<Source>) -> Step {
        let step = self.step_in_log(outgoing, source);
        if step != Step::Over {
            return step;
        }
        let note = self.note.get_or_insert_with(|| note_of(source));
        if note.is_empty() {
            return Step::Over;
        }
        let count = note.len().min(self.credit.left());
        let rest = note.split_off(count);
        outgoing.data(self.stream, 1, note, &[]);
        self.note = Some(rest);
        self.credit.spend(count);
        Step::Moved
    }

    fn step_in_log(&mut self, outgoing: &mut Outgoing, source: Option<Source>) -> Step {
        let left = usize::try_from(self.left.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
        let most = MAX_DATA.min(self.credit.left()).min(left);
        if left == 0 {
            return Step::Over;
        }
        if let Some(file) = self.files.front() {
            match outgoing.read_data(file.as_fd(), self.stream, 1, most) {
                Ok(0) => {}
                Ok(count) => {
                    self.credit.spend(count);
                    self.left = self.left.map(|left| left.saturating_sub(count as u64));
                    return Step::Moved;
                }
                Err(Errno::INTR) => return Step::Moved,
                Err(error) => return Step::Failed(error),
            }
        }
        match self.next_file(source) {
            Ok(step) => step,
            Err(error) => Step::Failed(error),
        }
    }

    /// At the end of a file: a log that was put aside grows no more, the newest one may.
    fn next_file(&mut self, source: Option<Source>) -> Result<Step, Errno> {
        if self.files.len() > 1 {
            self.files.pop_front();
            return Ok(Step::Moved);
        }
        let source = match source {
            Some(source) if self.left.is_none() => source,
            _ => return Ok(Step::Over),
        };
        if self.next <= source.generation {
            let part = match source.generation - self.next {
                0 => Part::Newest,
                1 => Part::Older,
                _ => return Ok(Step::Missed),
            };
            if let Some(file) = self.folder.open(&self.session, part)? {
                self.files.clear();
                self.files.push_back(file);
                self.next += 1;
                return Ok(Step::Moved);
            }
        }
        match source.ended {
            true => Ok(Step::Over),
            false => Ok(Step::Waits),
        }
    }
}

fn note_of(source: Option<Source>) -> Vec<u8> {
    let gap = source.and_then(|source| source.gap);
    gap.map_or(Vec::new(), |gap| gap.note().into_bytes())
}

fn first_offset(file: &File) -> Option<u64> {
    let mut offset = [0; 8];
    let length = fgetxattr(file, OFFSET, &mut offset).ok()?;
    (length == offset.len()).then(|| u64::from_le_bytes(offset))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::random::Random;
    use crate::sessions::session_log::{SessionLog, MOST};

    struct Logs {
        path: PathBuf,
        folder: Rc<LogFolder>,
    }

    impl Logs {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("lohar-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            let folder = Rc::new(LogFolder::test(path.clone()));
            Logs { path, folder }
        }

        fn reader(&self, log: Option<&SessionLog>, follow: bool, start: Start) -> LogReader {
            let source = log.map(|log| source(log, false));
            LogReader::open(1, "sess-1", self.folder.clone(), source, follow, start)
                .unwrap()
                .unwrap()
        }
    }

    impl Drop for Logs {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }

    fn source(log: &SessionLog, ended: bool) -> Source {
        let (generation, end) = (log.generation, log.end());
        Source {
            generation,
            end,
            ended,
            gap: log.gap(),
        }
    }

    /// Reads until nothing moves; what was told and the last step.
    fn told(reader: &mut LogReader, source: Option<Source>) -> (usize, Vec<u8>, Step) {
        let mut outgoing = Outgoing::default();
        let mut all = Vec::new();
        loop {
            reader.credit.add(32_768);
            let step = reader.step(&mut outgoing, source);
            all.extend(outgoing.take_data().into_iter().flat_map(|(_, data)| data));
            if step != Step::Moved {
                return (all.len(), all, step);
            }
        }
    }

    fn bytes(from: u64, count: usize) -> Vec<u8> {
        (from..from + count as u64)
            .map(|at| (at % 251) as u8)
            .collect()
    }

    #[test]
    fn a_follower_gets_every_byte_once_however_often_the_log_is_put_aside() {
        let logs = Logs::new("follow");
        let mut random = Random::new(21);
        let mut log = SessionLog::new(logs.folder.clone(), "sess-1", None);
        let mut reader = logs.reader(Some(&log), true, Start::Oldest);
        let (mut written, mut read) = (0, 0);
        while log.generation < 4 {
            for _ in 0..random.below(60) {
                let piece = bytes(written, random.below(32_768));
                written += piece.len() as u64;
                log.write(&piece);
            }
            let (count, all, step) = told(&mut reader, Some(source(&log, false)));
            assert_eq!(step, Step::Waits);
            assert_eq!(all, bytes(read, count));
            read += count as u64;
            assert_eq!(read, written);
        }
        assert_eq!(told(&mut reader, Some(source(&log, true))).2, Step::Over);
        assert!(log.bytes() > MOST && log.bytes() <= 2 * MOST);
        let sizes = ["sess-1.log", "sess-1.log.1"]
            .map(|name| std::fs::metadata(logs.path.join(name)).unwrap().len());
        assert_eq!(sizes.iter().sum::<u64>(), log.bytes());
        assert!(sizes.iter().all(|&size| size <= MOST));
        // Both parts, and the end of them.
        let (_, all, step) = told(&mut logs.reader(None, false, Start::Oldest), None);
        assert_eq!(
            (all == bytes(written - log.bytes(), all.len()), step),
            (true, Step::Over)
        );
        let tail = sizes[0] + 5;
        let (count, all, _) = told(&mut logs.reader(None, true, Start::Tail(tail)), None);
        assert_eq!(all, bytes(written - tail, count));
        assert_eq!(count as u64, tail);
    }

    #[test]
    fn what_comes_after_the_opening_is_for_followers() {
        let logs = Logs::new("limit");
        let mut log = SessionLog::new(logs.folder.clone(), "sess-1", None);
        log.write(b"before");
        let mut reader = logs.reader(Some(&log), false, Start::Oldest);
        log.write(b", after");
        let (_, all, step) = told(&mut reader, Some(source(&log, false)));
        assert_eq!((&all[..], step), (&b"before"[..], Step::Over));
    }

    #[test]
    fn a_log_that_cannot_be_written_goes_on_when_it_can() {
        let logs = Logs::new("away");
        std::fs::remove_dir_all(&logs.path).unwrap();
        let mut log = SessionLog::new(logs.folder.clone(), "sess-1", None);
        log.write(b"lost");
        assert_eq!(log.bytes(), 0);
        let mut reader = {
            std::fs::create_dir_all(&logs.path).unwrap();
            logs.reader(Some(&log), true, Start::Oldest)
        };
        assert_eq!(told(&mut reader, Some(source(&log, false))).2, Step::Waits);
        log.try_again();
        log.write(b"kept");
        let (_, all, step) = told(&mut reader, Some(source(&log, true)));
        let gap = "[bhatti: 4 bytes lost: No such file or directory]\n";
        assert_eq!(String::from_utf8_lossy(&all), format!("{gap}kept"));
        assert_eq!(step, Step::Over);
    }

    #[test]
    fn the_note_about_a_gap_at_the_end_follows_the_log() {
        let logs = Logs::new("end");
        let mut log = SessionLog::new(logs.folder.clone(), "sess-1", None);
        log.write(b"kept");
        log.lose(b"lost");
        log.close();
        let note = "\n[bhatti: 4 bytes lost: disk full]\n";
        for follow in [false, true] {
            let mut reader = logs.reader(Some(&log), follow, Start::Oldest);
            let (_, all, step) = told(&mut reader, Some(source(&log, true)));
            assert_eq!(String::from_utf8_lossy(&all), format!("kept{note}"));
            assert_eq!(step, Step::Over);
        }
        for told_before in 0..=note.len() {
            let start = Start::From(4 + told_before as u64);
            let mut reader = logs.reader(Some(&log), true, start);
            let (_, all, _) = told(&mut reader, Some(source(&log, true)));
            assert_eq!(String::from_utf8_lossy(&all), note[told_before..]);
        }
    }

    #[test]
    fn whoever_comes_back_goes_on_at_the_byte_where_it_was() {
        let logs = Logs::new("from");
        let mut random = Random::new(4);
        let mut log = SessionLog::new(logs.folder.clone(), "sess-1", None);
        let (mut written, mut read) = (0, 0);
        while log.generation < 2 {
            for _ in 0..random.below(60) {
                let piece = bytes(written, random.below(32_768));
                written += piece.len() as u64;
                log.write(&piece);
            }
            let mut reader = logs.reader(Some(&log), true, Start::From(read));
            assert_eq!(reader.offset, Some(read));
            let (count, all, step) = told(&mut reader, Some(source(&log, false)));
            assert_eq!(step, Step::Waits);
            assert!(all == bytes(read, count));
            read += count as u64;
            assert_eq!(read, written);
        }
        // What is not kept any more is missing, and it shows.
        let kept = written - log.bytes();
        let mut late = logs.reader(Some(&log), true, Start::From(kept - 1));
        assert_eq!(late.offset, Some(kept));
        assert_eq!(
            told(&mut late, Some(source(&log, true))).0 as u64,
            log.bytes()
        );
        let tail = logs.reader(Some(&log), true, Start::Tail(7));
        assert_eq!(tail.offset, Some(written - 7));
        // Once its session is not known any more, nobody knows how much there was before.
        let offset = logs.reader(None, true, Start::Oldest).offset;
        assert_eq!(offset, Some(written - log.bytes()));
    }

    #[test]
    fn a_log_that_was_never_put_aside_has_its_offsets_without_its_session() {
        let logs = Logs::new("short");
        SessionLog::new(logs.folder.clone(), "sess-1", None).write(b"one\ntwo\n");
        let mut reader = logs.reader(None, true, Start::From(4));
        assert_eq!(reader.offset, Some(4));
        assert_eq!(told(&mut reader, None).1, b"two\n");
    }

    #[test]
    fn a_follower_that_is_far_too_slow_hears_that_it_misses_something() {
        let logs = Logs::new("slow");
        let mut log = SessionLog::new(logs.folder.clone(), "sess-1", None);
        let mut reader = logs.reader(Some(&log), true, Start::Oldest);
        while log.generation < 3 {
            log.write(&[b'x'; 32_768]);
        }
        let (count, _, step) = told(&mut reader, Some(source(&log, false)));
        assert_eq!(step, Step::Missed);
        assert!(count as u64 <= MOST);
        let again = logs.reader(Some(&log), true, Start::From(count as u64));
        assert!(again.offset > Some(count as u64));
    }

    #[test]
    fn there_may_be_no_log() {
        let logs = Logs::new("none");
        let folder = logs.folder.clone();
        assert!(
            LogReader::open(1, "sess-1", folder, None, true, Start::Oldest)
                .unwrap()
                .is_none()
        );
    }
}
