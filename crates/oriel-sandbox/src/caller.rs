//! Who stands behind a call that one extension makes of another: the chain of those who wait, and how many calls they have
//! caused together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use oriel_model::access::PrincipalId;
use oriel_model::name::ExtensionName;

use crate::ports::GuestError;

/// Calls that may wait for one another. Each of them holds an instance, so a chain costs memory and a place in each pool;
/// a chain that is longer than this is a design that nobody can follow.
const MAX_DEPTH: u32 = 8;

/// An extension that called another one, and whoever called it in turn.
#[derive(Debug)]
pub struct Caller {
    extension: ExtensionName,
    version: semver::Version,
    principal: Option<PrincipalId>,
    behind: Option<Arc<Caller>>,
    /// How many wait, this one included.
    depth: u32,
    /// Calls that the first of them has caused.
    caused: Arc<Caused>,
}

#[derive(Debug)]
struct Caused {
    count: AtomicU32,
    limit: u32,
}

impl Caller {
    /// The caller `extension`; `limit` is how many calls it may cause altogether, unless somebody stands behind it.
    pub(crate) fn new(
        extension: ExtensionName,
        version: semver::Version,
        principal: Option<PrincipalId>,
        behind: Option<Arc<Self>>,
        limit: u32,
    ) -> Self {
        let caused = behind.as_ref().map_or_else(
            || {
                Arc::new(Caused {
                    count: AtomicU32::new(0),
                    limit,
                })
            },
            |behind| Arc::clone(&behind.caused),
        );
        Self {
            extension,
            version,
            principal,
            depth: behind.as_ref().map_or(0, |behind| behind.depth) + 1,
            behind,
            caused,
        }
    }

    /// Its name.
    #[must_use]
    pub const fn extension(&self) -> &ExtensionName {
        &self.extension
    }

    /// The version of its running release.
    #[must_use]
    pub const fn version(&self) -> &semver::Version {
        &self.version
    }

    /// Who caused its own call.
    #[must_use]
    pub const fn principal(&self) -> Option<PrincipalId> {
        self.principal
    }

    /// Whether it may call `callee` now. Counts the call.
    pub(crate) fn admit(&self, callee: &ExtensionName) -> Result<(), GuestError> {
        if self.waits(callee) {
            return Err(GuestError::Denied(format!("a cycle of calls: {}", self.chain(callee))));
        }
        if self.depth > MAX_DEPTH {
            return Err(GuestError::LimitExceeded(format!(
                "at most {MAX_DEPTH} calls may wait for one another: {}",
                self.chain(callee)
            )));
        }
        let before = self.caused.count.fetch_add(1, Relaxed);
        if before >= self.caused.limit {
            return Err(GuestError::LimitExceeded(format!(
                "host_calls: the first call of this chain and those that it caused may make {} calls together",
                self.caused.limit
            )));
        }
        Ok(())
    }

    /// Whether this extension is among those who wait.
    fn waits(&self, extension: &ExtensionName) -> bool {
        let mut next = Some(self);
        while let Some(caller) = next {
            if caller.extension == *extension {
                return true;
            }
            next = caller.behind.as_deref();
        }
        false
    }

    /// Those who wait, the first one first, and who would be next.
    fn chain(&self, callee: &ExtensionName) -> String {
        let mut names = vec![callee.as_str(), self.extension.as_str()];
        let mut next = self.behind.as_deref();
        while let Some(caller) = next {
            names.push(caller.extension.as_str());
            next = caller.behind.as_deref();
        }
        names.reverse();
        names.join(" → ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(names: &[&str], limit: u32) -> Arc<Caller> {
        let mut behind = None;
        for name in names {
            let caller = Caller::new(name.parse().unwrap(), semver::Version::new(1, 0, 0), None, behind, limit);
            behind = Some(Arc::new(caller));
        }
        behind.unwrap()
    }

    fn refused(names: &[&str], callee: &str) -> String {
        chain(names, 10).admit(&callee.parse().unwrap()).unwrap_err().to_string()
    }

    #[test]
    fn a_cycle_is_refused_with_the_chain_in_words() {
        assert_eq!(refused(&["a"], "a"), "a cycle of calls: a → a");
        assert_eq!(refused(&["a", "b"], "a"), "a cycle of calls: a → b → a");
        assert_eq!(refused(&["a", "b", "c"], "b"), "a cycle of calls: a → b → c → b");
        assert_eq!(chain(&["a", "b"], 10).admit(&"c".parse().unwrap()), Ok(()));
    }

    #[test]
    fn a_chain_has_an_end_and_so_have_its_calls_together() {
        let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
        assert_eq!(chain(&names, 10).admit(&"i".parse().unwrap()), Ok(()));
        let longer: Vec<&str> = names.into_iter().chain(["i"]).collect();
        assert!(refused(&longer, "j").starts_with("at most 8 calls may wait for one another: a → b"));
        let first = chain(&["a"], 3);
        let second = Caller::new(
            "b".parse().unwrap(),
            semver::Version::new(1, 0, 0),
            None,
            Some(Arc::clone(&first)),
            1_000,
        );
        let callee = "c".parse().unwrap();
        assert_eq!(
            [first.admit(&callee), second.admit(&callee), first.admit(&callee)],
            [Ok(()), Ok(()), Ok(())]
        );
        assert!(second.admit(&callee).unwrap_err().to_string().starts_with("host_calls: "));
    }
}
