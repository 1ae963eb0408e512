//! Where routes of extensions are served apart from everything else.

use super::value::SettingValue;

/// An origin for routes: one for all (`https://ext.example.com`), or one for each extension (`https://*.ext.example.com`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutesOrigin {
    /// Whether browsers reach it by `https`.
    pub secure: bool,
    /// Whether each extension of each tenant has a host of its own below [`RoutesOrigin::host`].
    pub each: bool,
    /// The host, in lower case.
    pub host: String,
    /// The port, where it is not the usual one.
    pub port: Option<u16>,
}

impl RoutesOrigin {
    /// Reads it from text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (secure, rest) = match text.strip_prefix("https://") {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix("http://")?),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok().filter(|port| *port != 0)?)),
            None => (rest, None),
        };
        let (each, host) = match host.strip_prefix("*.") {
            Some(host) => (true, host),
            None => (false, host),
        };
        let label = |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let host = host.to_ascii_lowercase();
        host.split('.').all(label).then_some(Self { secure, each, host, port })
    }

    /// The address of an extension of a tenant, without a slash at its end.
    #[must_use]
    pub fn address(&self, tenant: &str, extension: &str) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        let port = self.port.map_or_else(String::new, |port| format!(":{port}"));
        if self.each {
            format!("{scheme}://{extension}--{tenant}.{}{port}", self.host)
        } else {
            format!("{scheme}://{}{port}/x/{tenant}/{extension}", self.host)
        }
    }
}

impl SettingValue for RoutesOrigin {
    const VALUE_NAME: &'static str = "ORIGIN";
    fn read(text: &str) -> Result<Self, String> {
        Self::parse(text).ok_or_else(|| {
            format!("`{text}` is not an origin such as https://ext.example.com, or https://*.ext.example.com for one for each extension")
        })
    }
    fn show(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        let each = if self.each { "*." } else { "" };
        let port = self.port.map_or_else(String::new, |port| format!(":{port}"));
        format!("{scheme}://{each}{}{port}", self.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_read_and_shown() {
        for (text, address) in [
            ("https://ext.example.com", "https://ext.example.com/x/acme/notes"),
            ("https://*.ext.example.com", "https://notes--acme.ext.example.com"),
            ("http://*.localhost:7070", "http://notes--acme.localhost:7070"),
        ] {
            let origin = RoutesOrigin::read(text).unwrap();
            assert_eq!(origin.show(), text);
            assert_eq!(origin.address("acme", "notes"), address);
        }
        assert_eq!(RoutesOrigin::read("https://EXT.Example.com/").unwrap().host, "ext.example.com");
        for bad in [
            "",
            "ext.example.com",
            "ftp://x",
            "https://",
            "https://a/b",
            "https://a:0",
            "https://a b",
            "https://*",
            "https://*.",
            "https://u@a",
        ] {
            assert!(RoutesOrigin::read(bad).is_err(), "{bad}");
        }
    }
}
