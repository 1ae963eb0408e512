//! Extensions that are HTTP services: where they run, and which version of the protocol they speak.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::Url;

/// The version of the protocol between host and service that this build speaks.
pub const PROTOCOL: u32 = 1;

/// The longest address, in bytes.
const MAX_URL: usize = 512;

/// Where a service runs: scheme, host, port and the path that the protocol's own paths are put after.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RemoteUrl(Url);

/// A text that cannot be the address of a service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct RemoteUrlError {
    reason: String,
}

impl RemoteUrl {
    /// The address of `path` at the service; `path` begins with `/`.
    #[must_use]
    pub fn at(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        let whole = format!("{}{path}", self.0.path().trim_end_matches('/'));
        url.set_path(&whole);
        url
    }

    /// Its scheme is `https`.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Its text, without a `/` at the end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }
}

impl FromStr for RemoteUrl {
    type Err = RemoteUrlError;

    fn from_str(text: &str) -> Result<Self, RemoteUrlError> {
        let fail = |reason: &str| {
            let reason = format!("{reason}: write an address such as `https://orders.example.com`");
            Err(RemoteUrlError { reason })
        };
        if text.len() > MAX_URL {
            return fail("the service's address has more than 512 bytes");
        }
        let Ok(url) = text.parse::<Url>() else {
            return fail("the service's address is not a URL");
        };
        match url.scheme() {
            "http" | "https" => {}
            _ => return fail("the service's address must begin with `https://` or `http://`"),
        }
        if url.host_str().is_none_or(str::is_empty) || url.port() == Some(0) {
            return fail("the service's address has no usable host and port");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return fail("the service's address cannot carry a user or password");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return fail("the service's address ends with its path, without `?` or `#`");
        }
        Ok(Self(url))
    }
}

impl TryFrom<String> for RemoteUrl {
    type Error = RemoteUrlError;

    fn try_from(text: String) -> Result<Self, RemoteUrlError> {
        text.parse()
    }
}

impl From<RemoteUrl> for String {
    fn from(url: RemoteUrl) -> Self {
        url.as_str().to_owned()
    }
}

impl fmt::Display for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_put_after_the_address() {
        for (address, shown, called) in [
            ("https://a.io", "https://a.io", "https://a.io/oriel/v1/health"),
            ("https://a.io/", "https://a.io", "https://a.io/oriel/v1/health"),
            ("http://[::1]:8080/x/", "http://[::1]:8080/x", "http://[::1]:8080/x/oriel/v1/health"),
        ] {
            let url: RemoteUrl = address.parse().unwrap();
            assert_eq!((url.as_str(), url.at("/oriel/v1/health").as_str()), (shown, called));
            assert_eq!(
                serde_json::from_str::<RemoteUrl>(&serde_json::to_string(&url).unwrap())
                    .unwrap()
                    .as_str(),
                shown
            );
        }
    }

    #[test]
    fn what_is_no_plain_address_is_refused() {
        for bad in [
            "",
            "orders.example.com",
            "ftp://a.io",
            "https://",
            "https://user@a.io",
            "https://u:p@a.io",
            "https://a.io/?x=1",
            "https://a.io/#x",
            "https://a.io:0",
            &format!("https://a.io/{}", "x".repeat(512)),
        ] {
            let error = bad.parse::<RemoteUrl>().unwrap_err().to_string();
            assert!(
                error.starts_with("the service's address ") && error.contains("https://orders.example.com"),
                "{error}"
            );
        }
    }
}
