//! Paths of routes: read in one way only, and matched by whole segments.
//!
//! A path is decided upon here (which route is it, who may call it) and then read once more by the extension behind it. Where
//! those two could read it differently, one could be talked past the other; such paths are refused. What is equivalent by
//! RFC 3986 is written in one way before anything is decided, and the extension gets that very text.

use crate::contribution::RouteAccess;
use crate::manifest::Declaration;

/// The longest path of a request, in bytes.
pub const MAX_REQUEST_PATH: usize = 8 << 10;

/// Why a path is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// It does not begin with `/`.
    #[error("the path does not begin with `/`")]
    Relative,
    /// It is longer than [`MAX_REQUEST_PATH`].
    #[error("the path is longer than {MAX_REQUEST_PATH} bytes")]
    TooLong,
    /// It has an empty segment.
    #[error("the path has an empty segment (`//`)")]
    Empty,
    /// A segment is, or could be read as, `.` or `..`.
    #[error("the path has a segment `.` or `..`")]
    Dots,
    /// Something encoded would separate segments if it were decoded, or a `\` stands there.
    #[error("the path has an encoded `/`, or a `\\`")]
    Separator,
    /// A `%` is not followed by two hexadecimal digits.
    #[error("the path has a `%` without two hexadecimal digits after it")]
    Encoding,
    /// A control character, encoded or not, or a character that no path may have.
    #[error("the path has a character that it may not have")]
    Character,
}

/// The path in its one form: unreserved characters are not encoded, and the hexadecimal digits of what is encoded are upper-case.
///
/// # Errors
/// When somebody could read it differently.
pub fn normalise(path: &str) -> Result<String, PathError> {
    let rest = path.strip_prefix('/').ok_or(PathError::Relative)?;
    if path.len() > MAX_REQUEST_PATH {
        return Err(PathError::TooLong);
    }
    let mut normal = String::with_capacity(path.len());
    let mut segments = rest.split('/').peekable();
    while let Some(segment) = segments.next() {
        // A path may end with `/`.
        if segment.is_empty() && segments.peek().is_some() {
            return Err(PathError::Empty);
        }
        normal.push('/');
        push_segment(&mut normal, segment)?;
    }
    Ok(normal)
}

fn push_segment(normal: &mut String, segment: &str) -> Result<(), PathError> {
    let mut decoded = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        let (byte, encoded) = match byte {
            b'%' => {
                let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
                let (Some(high), Some(low)) = (digit(bytes.next()), digit(bytes.next())) else {
                    return Err(PathError::Encoding);
                };
                (u8::try_from(high * 16 + low).map_err(|_| PathError::Encoding)?, true)
            }
            byte => (byte, false),
        };
        decoded.push(byte);
        match byte {
            b'/' | b'\\' => return Err(PathError::Separator),
            0..=0x1f | 0x7f => return Err(PathError::Character),
            byte if is_unreserved(byte) => normal.push(char::from(byte)),
            byte if encoded => {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                normal.push('%');
                normal.push(char::from(HEX[usize::from(byte >> 4)]));
                normal.push(char::from(HEX[usize::from(byte & 15)]));
            }
            byte if b"!$&'()*+,;=:@".contains(&byte) => normal.push(char::from(byte)),
            _ => return Err(PathError::Character),
        }
    }
    // Some servers take what follows a `;` for parameters of the segment and cut it off.
    let name = decoded.split(|byte| *byte == b';').next().unwrap_or_default();
    if matches!(name, b"." | b"..") {
        return Err(PathError::Dots);
    }
    Ok(())
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Whether `route`, the path of a route, is `path` or lies above it. Both in their one form.
#[must_use]
pub fn covers(route: &str, path: &str) -> bool {
    route == "/"
        || path
            .strip_prefix(route)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Of the routes that cover `path`, the one with the longest path: a request is counted, and its caller checked, by it.
#[must_use]
pub fn matching<'a>(routes: &'a [Declaration], path: &str) -> Option<&'a Declaration> {
    let covering = routes
        .iter()
        .filter(|route| route.path.as_deref().is_some_and(|own| covers(own, path)));
    covering.max_by_key(|route| route.path.as_deref().map_or(0, str::len))
}

/// Who may call a route.
#[must_use]
pub fn access(route: &Declaration) -> RouteAccess {
    route.access.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equivalent_paths_become_one() {
        for (path, normal) in [
            ("/", "/"),
            ("/notes", "/notes"),
            ("/notes/", "/notes/"),
            ("/n%6ftes/%7Eme", "/notes/~me"),
            ("/a%2db", "/a-b"),
            ("/a%c3%a4", "/a%C3%A4"),
            ("/a%20b;v=1/@x:y", "/a%20b;v=1/@x:y"),
            ("/a%3Bb", "/a%3Bb"),
            ("/a%252e", "/a%252e"),
            ("/...", "/..."),
            ("/.well-known/x", "/.well-known/x"),
            ("/%2e%2e%2e", "/..."),
        ] {
            assert_eq!(normalise(path).as_deref(), Ok(normal), "{path}");
            assert_eq!(normalise(normal).as_deref(), Ok(normal), "{normal}: it is its own form");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        use PathError::{Character, Dots, Empty, Encoding, Relative, Separator, TooLong};
        for (path, error) in [
            ("", Relative),
            ("notes", Relative),
            ("//", Empty),
            ("//evil.example", Empty),
            ("/a//b", Empty),
            ("/.", Dots),
            ("/..", Dots),
            ("/a/../b", Dots),
            ("/a/%2e%2E/b", Dots),
            ("/a/.%2e", Dots),
            ("/a/..;/b", Dots),
            ("/a/..;x=1", Dots),
            ("/a/%2e%2e%3b/b", Dots),
            ("/a/;/../b", Dots),
            ("/a%2fb", Separator),
            ("/a%2F..%2Fb", Separator),
            ("/a\\b", Separator),
            ("/a%5cb", Separator),
            ("/a%", Encoding),
            ("/a%2", Encoding),
            ("/a%zz", Encoding),
            ("/a%+f", Encoding),
            ("/a%00", Character),
            ("/a%0d%0ab", Character),
            ("/a\u{7f}", Character),
            ("/a b", Character),
            ("/\u{e4}", Character),
            ("/a\"b", Character),
            ("/<a>", Character),
            ("/a|b", Character),
            ("/a?b", Character),
        ] {
            assert_eq!(normalise(path), Err(error), "{path}");
        }
        assert_eq!(normalise(&format!("/{}", "a".repeat(MAX_REQUEST_PATH))), Err(TooLong));
    }

    #[test]
    fn the_longest_path_on_whole_segments_wins() {
        let route =
            |name: &str, path: &str| -> Declaration { serde_json::from_value(serde_json::json!({ "name": name, "path": path })).unwrap() };
        let routes = [
            route("all", "/"),
            route("notes", "/notes"),
            route("one", "/notes/one"),
            route("n", "/n"),
        ];
        for (path, name) in [
            ("/", "all"),
            ("/x", "all"),
            ("/note", "all"),
            ("/notesx", "all"),
            ("/Notes", "all"),
            ("/notes", "notes"),
            ("/notes/", "notes"),
            ("/notes/two", "notes"),
            ("/notes/one", "one"),
            ("/notes/one/more", "one"),
            ("/n/otes", "n"),
        ] {
            assert_eq!(matching(&routes, path).unwrap().name.as_str(), name, "{path}");
        }
        assert!(matching(&routes[1..], "/x").is_none());
        assert_eq!(access(&routes[0]), RouteAccess::Key, "who says nothing lets nobody in");
    }
}
