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

/// Reads until the reader waits or ends. Returns the number of bytes, the bytes, and the last step.
fn read_all(reader: &mut LogReader, source: Option<Source>) -> (usize, Vec<u8>, Step) {
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
        let (count, all, step) = read_all(&mut reader, Some(source(&log, false)));
        assert_eq!(step, Step::Waits);
        assert_eq!(all, bytes(read, count));
        read += count as u64;
        assert_eq!(read, written);
    }
    assert_eq!(
        read_all(&mut reader, Some(source(&log, true))).2,
        Step::Over
    );
    assert!(log.bytes() > MOST && log.bytes() <= 2 * MOST);
    let sizes = ["sess-1.log", "sess-1.log.1"]
        .map(|name| std::fs::metadata(logs.path.join(name)).unwrap().len());
    assert_eq!(sizes.iter().sum::<u64>(), log.bytes());
    assert!(sizes.iter().all(|&size| size <= MOST));
    // Both parts, and the end of them.
    let (_, all, step) = read_all(&mut logs.reader(None, false, Start::Oldest), None);
    assert_eq!(
        (all == bytes(written - log.bytes(), all.len()), step),
        (true, Step::Over)
    );
    let tail = sizes[0] + 5;
    let (count, all, _) = read_all(&mut logs.reader(None, true, Start::Tail(tail)), None);
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
    let (_, all, step) = read_all(&mut reader, Some(source(&log, false)));
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
    assert_eq!(
        read_all(&mut reader, Some(source(&log, false))).2,
        Step::Waits
    );
    log.try_again();
    log.write(b"kept");
    let (_, all, step) = read_all(&mut reader, Some(source(&log, true)));
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
        let (_, all, step) = read_all(&mut reader, Some(source(&log, true)));
        assert_eq!(String::from_utf8_lossy(&all), format!("kept{note}"));
        assert_eq!(step, Step::Over);
    }
    for read_before in 0..=note.len() {
        let start = Start::From(4 + read_before as u64);
        let mut reader = logs.reader(Some(&log), true, start);
        let (_, all, _) = read_all(&mut reader, Some(source(&log, true)));
        assert_eq!(String::from_utf8_lossy(&all), note[read_before..]);
    }
}

#[test]
fn a_reader_resumes_at_the_byte_where_it_stopped() {
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
        let (count, all, step) = read_all(&mut reader, Some(source(&log, false)));
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
        read_all(&mut late, Some(source(&log, true))).0 as u64,
        log.bytes()
    );
    let tail = logs.reader(Some(&log), true, Start::Tail(7));
    assert_eq!(tail.offset, Some(written - 7));
    // Once its session is unlisted, the number of earlier bytes is unknown.
    let offset = logs.reader(None, true, Start::Oldest).offset;
    assert_eq!(offset, Some(written - log.bytes()));
}

#[test]
fn a_log_that_was_never_put_aside_has_its_offsets_without_its_session() {
    let logs = Logs::new("short");
    SessionLog::new(logs.folder.clone(), "sess-1", None).write(b"one\ntwo\n");
    let mut reader = logs.reader(None, true, Start::From(4));
    assert_eq!(reader.offset, Some(4));
    assert_eq!(read_all(&mut reader, None).1, b"two\n");
}

#[test]
fn a_follower_that_is_far_too_slow_hears_that_it_misses_something() {
    let logs = Logs::new("slow");
    let mut log = SessionLog::new(logs.folder.clone(), "sess-1", None);
    let mut reader = logs.reader(Some(&log), true, Start::Oldest);
    while log.generation < 3 {
        log.write(&[b'x'; 32_768]);
    }
    let (count, _, step) = read_all(&mut reader, Some(source(&log, false)));
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
