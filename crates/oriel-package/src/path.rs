//! Paths of assets: safe to be written below any directory on any system.

use std::collections::BTreeSet;

/// The longest path of an asset, in bytes.
const MAX_PATH: usize = 256;

/// Why a path cannot be an asset's.
pub(crate) fn problem(path: &str) -> Option<&'static str> {
    let name = |name: &str| match name {
        "" => Some("it is absolute, empty, or has an empty name in it"),
        "." | ".." => Some("it has a `.` or `..` in it"),
        _ if name.ends_with(['.', ' ']) => Some("a name in it ends with a dot or space"),
        _ => None,
    };
    if path.len() > MAX_PATH {
        return Some("it is longer than 256 bytes");
    }
    if path
        .chars()
        .any(|c| c.is_control() || matches!(c, '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|'))
    {
        return Some("it has a character that is not portable");
    }
    path.split('/').find_map(name)
}

/// A path that is another one's too, where case is no difference, or is a directory of another one.
pub(crate) fn clash<'p>(paths: impl IntoIterator<Item = &'p str>) -> Option<&'p str> {
    let given: Vec<(String, &str)> = paths.into_iter().map(|path| (path.to_lowercase(), path)).collect();
    let mut files = BTreeSet::new();
    for (folded, path) in &given {
        if !files.insert(folded.as_str()) {
            return Some(path);
        }
    }
    let parents = |folded: &str| folded.match_indices('/').map(|(at, _)| at).collect::<Vec<_>>();
    given
        .iter()
        .find(|(folded, _)| parents(folded).into_iter().any(|at| files.contains(&folded[..at])))
        .map(|(_, path)| *path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_relative_paths_pass() {
        for good in ["a", "a/b.txt", "ü/日本.txt", ".well-known/x", "a..b"] {
            assert_eq!(problem(good), None, "{good}");
        }
        let long = "a/".repeat(200);
        for bad in [
            "", "/a", "a//b", "a/", "../a", "a/../b", "./a", "a\\b", "c:/a", "a\0", "a\nb", "a.", "a /b", "con?", &long,
        ] {
            assert!(problem(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn clashes_are_found() {
        assert_eq!(clash(["a", "b/c", "b/d"]), None);
        assert_eq!(clash(["a", "A"]), Some("A"));
        assert_eq!(clash(["b/c/d", "B"]), Some("b/c/d"));
    }
}
