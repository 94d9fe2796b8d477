use std::io::{pipe, Read};
use std::os::fd::OwnedFd;

use super::*;
use crate::files::scratch::Scratch;
use crate::random::Random;

fn log_in(scratch: &Scratch) -> SessionLog {
    let folder = Rc::new(LogFolder::test(scratch.path().to_owned()));
    SessionLog::new(folder, "sess-1", None)
}

#[test]
fn a_gap_is_told_of_once_there_is_room_again() {
    let scratch = Scratch::new("gap");
    let mut log = log_in(&scratch);
    log.write(b"before, ");
    let good = log.file.replace(File::create("/dev/full").unwrap());
    log.write(b"12345");
    log.write(b"678"); // not even tried: it is too early
    assert_eq!(log.bytes(), 8);
    log.file = good;
    log.try_again();
    log.write(b"after\n");
    let all = std::fs::read_to_string(scratch.join("sess-1.log")).unwrap();
    let gap = "\n[bhatti: 8 bytes lost: disk full]\n";
    assert_eq!(all, format!("before, {gap}after\n"));
    assert_eq!(log.end(), all.len() as u64);
}

#[test]
fn a_gap_at_the_end_is_told_of_too() {
    let scratch = Scratch::new("last-gap");
    let mut log = log_in(&scratch);
    let good = log.file.replace(File::create("/dev/full").unwrap());
    log.write(b"12345\n");
    log.file = good;
    log.close();
    let all = std::fs::read_to_string(scratch.join("sess-1.log")).unwrap();
    assert_eq!(all, "[bhatti: 6 bytes lost: disk full]\n");
}

#[test]
fn the_note_about_a_gap_is_written_once_the_disk_has_room() {
    let scratch = Scratch::new("kept-gap");
    let mut log = log_in(&scratch);
    log.write(b"before");
    let good = log.file.take();
    log.lose(b"12345\n");
    log.close();
    let note = "\n[bhatti: 6 bytes lost: disk full]\n";
    assert_eq!(log.gap().map(|gap| gap.note()).as_deref(), Some(note));
    assert!(!log.settle());
    log.file = good;
    assert!(log.settle() && log.gap().is_none());
    let all = std::fs::read_to_string(scratch.join("sess-1.log")).unwrap();
    assert_eq!(all, format!("before{note}"));
}

#[test]
fn a_log_is_put_aside_where_a_line_ends() {
    let scratch = Scratch::new("lines");
    let mut log = log_in(&scratch);
    let mut random = Random::new(12);
    while log.generation < 3 {
        let line = vec![b'x'; random.below(20_000)];
        log.write(&[&line[..], b"\n", &line[..7.min(line.len())]].concat());
    }
    for name in ["sess-1.log", "sess-1.log.1"] {
        let all = std::fs::read(scratch.join(name)).unwrap();
        assert!(all.len() as u64 <= MOST);
        assert!(name == "sess-1.log" || all.ends_with(b"\n"));
    }
}

#[test]
fn of_what_is_written_in_part_only_the_rest_is_lost() {
    let scratch = Scratch::new("part");
    let mut log = log_in(&scratch);
    let (mut reader, writer) = pipe().unwrap();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    let room = rustix::pipe::fcntl_getpipe_size(&writer).unwrap();
    log.file = Some(File::from(OwnedFd::from(writer)));
    log.write(&vec![b'x'; room + 9]);
    let mut all = vec![0; room];
    reader.read_exact(&mut all).unwrap();
    log.try_again();
    log.write(b"y");
    log.close();
    let mut rest = String::new();
    reader.read_to_string(&mut rest).unwrap();
    let gap = "\n[bhatti: 9 bytes lost: Resource temporarily unavailable]\n";
    assert_eq!(rest, format!("{gap}y"));
}
