//! What makes a process a session: its output is kept and logged, and told to one stream that has control of it and to
//! others that watch. Each stream is a place in what is kept, so there is no gap between what was and what comes.

use super::credit::Credit;
use super::ended::Exit;
use super::ring::{Beginning, Ring};
use super::screen::Screen;
use super::session_log::SessionLog;
use crate::protocol::frame::kind;
use crate::protocol::messages::{Mode, Resized, Size};
use crate::protocol::outgoing::{Outgoing, MAX_DATA};
use crate::reactor::wires::Wires;

pub const MOST_WATCHERS: usize = 8;

pub struct Shared {
    pub ring: Ring,
    /// As the terminal's programs have left it, when there is one.
    pub screen: Option<Screen>,
    pub log: SessionLog,
    /// The path of the log.
    pub path: String,
    /// In nanoseconds; 0 is for ever.
    pub max_idle: u64,
    /// When that is over.
    pub idle_until: Option<u64>,
    pub control: Option<Viewer>,
    pub watchers: Vec<Viewer>,
    /// How it ended, once all that belongs to its output has been read.
    pub over: Option<Exit>,
    /// So many others have ended since that it is not known any more.
    pub forgotten: bool,
}

/// A stream that is told the output.
pub struct Viewer {
    pub stream: u32,
    /// The offset of the next byte that it is told.
    pub at: u64,
    /// Where its result comes, once that is known.
    pub until: Option<u64>,
    pub credit: Credit,
    pub missed: u64,
    /// It is told the size of the terminal.
    pub sizes: bool,
    /// The one that it knows.
    pub size: Option<Size>,
}

impl Viewer {
    pub fn new(stream: u32, at: u64) -> Self {
        Viewer {
            stream,
            at,
            until: None,
            credit: Credit::default(),
            missed: 0,
            sizes: false,
            size: None,
        }
    }

    fn end(&self, ring: &Ring) -> u64 {
        self.until.unwrap_or(u64::MAX).min(ring.end())
    }

    fn has_more(&self, ring: &Ring) -> bool {
        self.at < self.end(ring) && self.credit.left() > 0
    }

    fn is_done(&self) -> bool {
        self.until.is_some_and(|until| self.at >= until)
    }

    fn tell(&mut self, ring: &Ring, outgoing: &mut Outgoing) {
        let lost = ring.start().saturating_sub(self.at);
        self.missed += lost;
        self.at += lost;
        let left = usize::try_from(self.end(ring).saturating_sub(self.at)).unwrap_or(MAX_DATA);
        let most = left.min(MAX_DATA).min(self.credit.left());
        let (front, back) = ring.slices(self.at, most);
        let count = front.len() + back.len();
        if count > 0 {
            outgoing.data(self.stream, 1, front, back);
            self.credit.spend(count);
            self.at += count as u64;
        }
    }
}

impl Shared {
    pub fn new(log: SessionLog, path: String, tty: bool, max_idle_ms: u64) -> Self {
        Shared {
            ring: Ring::default(),
            screen: tty.then(Screen::default),
            log,
            path,
            max_idle: max_idle_ms.saturating_mul(1_000_000),
            idle_until: None,
            control: None,
            watchers: Vec::new(),
            over: None,
            forgotten: false,
        }
    }

    pub fn viewers(&self) -> impl Iterator<Item = &Viewer> {
        self.control.iter().chain(&self.watchers)
    }

    pub fn viewer(&mut self, stream: u32) -> Option<&mut Viewer> {
        let mut all = self.control.iter_mut().chain(&mut self.watchers);
        all.find(|viewer| viewer.stream == stream)
    }

    pub fn is_controlled_by(&self, stream: u32) -> bool {
        let control = self.control.as_ref();
        control.is_some_and(|viewer| viewer.stream == stream)
    }

    /// How much output may be read without taking anything away from who has control. Watchers are not waited for.
    pub fn room(&self) -> usize {
        let needed = self.control.as_ref().map_or(u64::MAX, |viewer| viewer.at);
        self.ring.room_behind(needed)
    }

    pub fn take(&mut self, bytes: &[u8]) {
        self.log.write(bytes);
        if let Some(screen) = &mut self.screen {
            screen.feed(bytes);
        }
        if !self.forgotten {
            self.ring.push(bytes);
        }
    }

    /// Something can be told, as soon as the line has room for it.
    pub fn has_news(&self) -> bool {
        self.viewers()
            .any(|viewer| viewer.has_more(&self.ring) || viewer.is_done())
    }

    /// One piece for each stream, and the result for those that have got all; false when nothing moved.
    pub fn tell(&mut self, wires: &mut Wires) -> bool {
        let mut moved = false;
        for viewer in self.control.iter_mut().chain(&mut self.watchers) {
            if viewer.has_more(&self.ring) && wires.outgoing.has_room() {
                viewer.tell(&self.ring, &mut wires.outgoing);
                moved = true;
            }
        }
        if let Some(exit) = self.over {
            let mut conclude = |viewer: &Viewer| {
                let is_done = viewer.is_done();
                if is_done {
                    tell_result(viewer, exit, wires);
                    moved = true;
                }
                is_done
            };
            if self.control.as_ref().is_some_and(&mut conclude) {
                self.control = None;
            }
            self.watchers.retain(|viewer| !conclude(viewer));
        }
        moved
    }

    pub fn tells_sizes(&self) -> bool {
        self.viewers().any(|viewer| viewer.sizes)
    }

    /// To those who want to know it, and know another one.
    pub fn tell_size(&mut self, size: Size, wires: &mut Wires) {
        for viewer in self.control.iter_mut().chain(&mut self.watchers) {
            if viewer.sizes && viewer.size.replace(size) != Some(size) {
                let resized = Resized::from(size);
                wires.outgoing.json(viewer.stream, kind::CONTROL, &resized);
            }
        }
    }

    /// No more of its output counts than there is now.
    pub fn end(&mut self, exit: Exit) {
        self.over = Some(exit);
        self.ring.shrink();
        let until = Some(self.ring.end());
        for viewer in self.control.iter_mut().chain(&mut self.watchers) {
            viewer.until = until;
        }
    }

    /// Where a stream that comes now begins. Only a terminal has a state that outlasts what it is told, and answers.
    pub fn beginning(&mut self, from: Option<u64>, mode: Mode) -> Beginning {
        let mut beginning = self.ring.beginning(from);
        let goes_on = from == Some(beginning.offset);
        // A watcher of a running session leaves the queries to the stream in control, or the next one.
        let is_looked_on_at = mode == Mode::Watch && self.over.is_none();
        if self.screen.is_some() && !goes_on && !is_looked_on_at {
            self.ring.hush();
        }
        if self.screen.is_none() {
            beginning.prelude.clear();
        }
        beginning
    }
}

fn tell_result(viewer: &Viewer, exit: Exit, wires: &mut Wires) {
    let stream = viewer.stream;
    wires.outgoing.end(stream, 1);
    let missed = (viewer.missed > 0).then_some(viewer.missed);
    exit.with_result(missed, |result| {
        wires.outgoing.json(stream, kind::RESULT, result);
    });
    wires.streams.remove(&stream);
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::random::Random;
    use crate::sessions::log_folder::LogFolder;
    use crate::sessions::ring::KEPT;

    fn shared() -> Shared {
        let folder = Rc::new(LogFolder::test("/nonexistent".into()));
        let log = SessionLog::new(folder, "sess-1", None);
        Shared::new(log, String::new(), true, 0)
    }

    #[test]
    fn who_has_control_gets_all_and_who_watches_what_he_is_fast_enough_for() {
        let mut random = Random::new(31);
        let mut wires = Wires::new().unwrap();
        let mut shared = shared();
        shared.control = Some(Viewer::new(1, 0));
        shared.watchers.push(Viewer::new(3, 0));
        let (mut written, mut told) = (0u64, 0u64);
        let mut output = Vec::new();
        let mut pump = |shared: &mut Shared, output: &mut Vec<u8>, told: &mut u64| {
            shared.tell(&mut wires);
            for (stream, data) in wires.outgoing.take_data() {
                match stream {
                    1 => output.extend(data),
                    _ => *told += data.len() as u64,
                }
            }
        };
        while written < 3_000_000 {
            let count = shared.room().min(random.below(40_000));
            let bytes: Vec<u8> = (0..count).map(|at| (written + at as u64) as u8).collect();
            shared.take(&bytes);
            written += count as u64;
            pump(&mut shared, &mut output, &mut told);
            if random.below(2) == 0 {
                let credit = random.below(60_000) as u32;
                shared.viewer(1).unwrap().credit.add(credit);
            }
        }
        shared.end(Exit::Code(0));
        for stream in [1, 3] {
            shared.viewer(stream).unwrap().credit.add(u32::MAX);
        }
        while shared.has_news() {
            pump(&mut shared, &mut output, &mut told);
        }
        assert!(shared.viewers().next().is_none());
        assert_eq!(output.len() as u64, written);
        assert!(output
            .iter()
            .enumerate()
            .all(|(at, &byte)| byte == at as u8));
        assert!(told < written && told > KEPT as u64);
    }

    #[test]
    fn a_session_without_control_is_not_stalled() {
        let mut shared = shared();
        shared.watchers.push(Viewer::new(3, 0));
        shared.take(&[b'x'; 3 * KEPT]);
        assert_eq!(shared.room(), KEPT);
        shared.control = Some(Viewer::new(1, shared.ring.start()));
        assert_eq!(shared.room(), 0);
    }
}
