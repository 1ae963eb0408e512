//! The executions with the smallest ranks.

/// Ranks with ids, in ascending order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Reservoir(Vec<(u64, String)>);

/// A number that looks random and is always the same for one id: FNV-1a, and the finish of MurmurHash3 so that every bit of the id
/// reaches every bit of the rank.
pub(crate) fn rank(id: &str) -> u64 {
    let mut hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

impl Reservoir {
    /// One line for each: the rank in hexadecimal digits, and the id. What cannot be read is not in it.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let line = |line: &str| {
            let (rank, id) = line.split_once(' ')?;
            Some((u64::from_str_radix(rank, 16).ok()?, id.to_owned()))
        };
        let mut all: Vec<_> = text.lines().filter_map(line).collect();
        all.sort_unstable();
        Self(all)
    }

    pub(crate) fn write(&self) -> String {
        self.0.iter().map(|(rank, id)| format!("{rank:016x} {id}\n")).collect()
    }

    /// Lets it in if it belongs into a sample of `size`, and whatever is greatest out. Answers whether it is new in it.
    pub(crate) fn enter(&mut self, rank: u64, id: &str, size: usize) -> bool {
        // A binding that was made smaller.
        self.0.truncate(size);
        let entry = (rank, id.to_owned());
        match self.0.binary_search(&entry) {
            Ok(_) => false,
            Err(place) if place >= size => false,
            Err(place) => {
                self.0.insert(place, entry);
                self.0.truncate(size);
                true
            }
        }
    }

    /// The greatest rank in it once it is full: what is greater stays out.
    pub(crate) fn most(&self, size: usize) -> Option<u64> {
        self.0.get(size.checked_sub(1)?).map(|(rank, _)| *rank)
    }

    pub(crate) fn ids(self) -> Vec<String> {
        self.0.into_iter().map(|(_, id)| id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each execution is in the sample equally often, whatever the order.
    #[test]
    fn the_sample_is_uniform() {
        const SIZE: usize = 20;
        const ALL: usize = 200;
        let mut counts = vec![0_u32; ALL];
        for round in 0..1_000 {
            let mut reservoir = Reservoir::default();
            for number in 0..ALL {
                let id = format!("exec_{round}_{number}");
                reservoir.enter(rank(&id), &id, SIZE);
            }
            for id in reservoir.ids() {
                let number: usize = id.rsplit('_').next().unwrap().parse().unwrap();
                counts[number] += 1;
            }
        }
        // 100 times each on average; the standard deviation of one is 9.5.
        assert_eq!(counts.iter().sum::<u32>(), 20_000);
        let chi_squared: f64 = counts.iter().map(|count| (f64::from(*count) - 100.0).powi(2) / 90.0).sum();
        // 199 degrees of freedom: 99.9 % lie below 266, 99.9 % above 143.
        assert!((143.0..266.0).contains(&chi_squared), "{chi_squared}");
    }

    #[test]
    fn what_is_in_it_does_not_enter_again() {
        let mut reservoir = Reservoir::default();
        assert!(reservoir.enter(5, "a", 2));
        assert!(!reservoir.enter(5, "a", 2));
        assert!(reservoir.enter(7, "b", 2));
        assert_eq!(reservoir.most(2), Some(7));
        assert!(!reservoir.enter(9, "c", 2));
        assert!(reservoir.enter(6, "d", 2));
        assert_eq!(Reservoir::read(reservoir.write().as_bytes()).ids(), ["a", "d"]);
        assert_eq!(Reservoir::read(b"rubbish\n\xff\n0000000000000001 ok").ids(), ["ok"]);
    }
}
