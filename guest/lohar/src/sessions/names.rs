//! The ids of processes: `sess-` and four hexadecimal digits that do not repeat within 65 536 of them.

#[derive(Default)]
pub struct Names(u16);

impl Names {
    /// Guests that are made from one snapshot must not count on from the same number.
    pub fn seed(&mut self, seed: u16) {
        self.0 = self.0.wrapping_add(seed);
    }

    /// The next one that is not `taken`; when all are, the next one.
    pub fn next(&mut self, taken: impl Fn(&str) -> bool) -> String {
        let mut name = self.step();
        for _ in 0..u16::MAX {
            if !taken(&name) {
                break;
            }
            name = self.step();
        }
        name
    }

    fn step(&mut self) -> String {
        self.0 = self.0.wrapping_add(1);
        format!("sess-{:04x}", self.0.wrapping_mul(40_503))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn passes_over_what_is_taken_and_repeats_late() {
        let mut names = Names::default();
        names.seed(60_000);
        let mut seen = HashSet::new();
        for _ in 0..65_536 {
            let name = names.next(|name| seen.contains(name));
            assert!(seen.insert(name));
        }
        let all = seen.len();
        assert_eq!(all, 65_536);
        assert!(seen.contains(&names.next(|name| seen.contains(name))));
    }
}
