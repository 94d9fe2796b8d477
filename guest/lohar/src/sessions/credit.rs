//! Flow control: how many bytes each side of a stream may still send.

pub const WINDOW: u32 = 262_144;
/// Small grants are saved up until they are worth a frame.
const GRANT: u32 = WINDOW / 4;

/// What the host still takes of our output.
pub struct Credit(u64);

impl Default for Credit {
    fn default() -> Self {
        Credit(u64::from(WINDOW))
    }
}

impl Credit {
    pub fn left(&self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    pub fn spend(&mut self, bytes: usize) {
        self.0 = self.0.saturating_sub(bytes as u64);
    }

    pub fn add(&mut self, bytes: u32) {
        self.0 = self.0.saturating_add(u64::from(bytes));
    }
}

/// What we still take of the host's input.
pub struct Window {
    open: u32,
    passed: u32,
}

impl Default for Window {
    fn default() -> Self {
        Window {
            open: WINDOW,
            passed: 0,
        }
    }
}

impl Window {
    /// False when the host has sent more than it may.
    pub fn receive(&mut self, bytes: usize) -> bool {
        let left = u32::try_from(bytes)
            .ok()
            .and_then(|bytes| self.open.checked_sub(bytes));
        self.open = left.unwrap_or(self.open);
        left.is_some()
    }

    /// Bytes have left for their destination; the credit to give back now, if it is worth a frame.
    pub fn pass(&mut self, bytes: usize) -> Option<u32> {
        let most = WINDOW - self.open - self.passed;
        self.passed += u32::try_from(bytes).unwrap_or(most).min(most);
        if self.passed < GRANT {
            return None;
        }
        self.open += self.passed;
        Some(std::mem::take(&mut self.passed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn a_sender_that_uses_all_its_credit_never_starves() {
        let mut random = Random::new(4);
        let mut window = Window::default();
        let (mut credit, mut queued) = (WINDOW as usize, 0);
        for _ in 0..100_000 {
            let sent = credit.min(random.below(32_768));
            assert!(window.receive(sent));
            credit -= sent;
            queued += sent;
            assert!(queued <= WINDOW as usize);
            let passed = random.below(queued + 1);
            queued -= passed;
            credit += window.pass(passed).unwrap_or(0) as usize;
            assert!(credit + queued > 0);
        }
    }

    #[test]
    fn sending_beyond_the_credit_is_noticed() {
        let mut window = Window::default();
        assert!(window.receive(WINDOW as usize));
        assert!(!window.receive(1));
        assert_eq!(window.pass(10), None);
        assert!(!window.receive(1));
        assert_eq!(window.pass(WINDOW as usize * 2), Some(WINDOW));
        assert!(window.receive(WINDOW as usize));
    }
}
