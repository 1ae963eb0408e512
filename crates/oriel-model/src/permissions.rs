//! What an extension may reach: asked for in its manifest, approved as a grant, checked at each host call.
//!
//! A grant is itself a [`Permissions`]: "is it within" and "may it" are pure questions on this type, and
//! whatever is not listed is refused.

mod models;
mod programs;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub use self::models::{ModelName, ModelNameError, ModelPermission};
pub use self::programs::{ProgramPattern, ProgramPatternError};
use crate::name::SecretName;

/// Permissions that a manifest asks for, or that a grant holds. Empty means nothing at all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(rename_all = "snake_case")]
pub struct Permissions {
    /// Use the extension's own key-value store in this tenant.
    pub key_value: bool,
    /// Use the extension's own collections in this tenant.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub collections: bool,
    /// Hosts that outbound HTTP may reach, such as `api.github.com`, `*.example.com`, `https://api.acme.io:8443`.
    pub network: Vec<HostPattern>,
    /// Private, loopback or link-local networks that outbound HTTP may reach, in CIDR form. A host must also
    /// be listed in `network`.
    #[schemars(with = "Vec<String>")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub private_network: Vec<IpNet>,
    /// Programs of other extensions in the same tenant that it may call, such as `geo/lookup` or, for every program of that
    /// extension, `geo/*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("examples" = [["geo/lookup", "geo/*"]]))]
    pub call: Vec<ProgramPattern>,
    /// Secrets, each with the hosts that it may be sent to in the header of an outbound request. Over TLS, unless the host says
    /// `http://`. The hosts must also be listed in `network`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, Vec<HostPattern>>", extend("examples" = [{"github-token": ["api.github.com"]}]))]
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, Vec<HostPattern>>))]
    pub secrets: BTreeMap<SecretName, Vec<HostPattern>>,
    /// Put runs of its own jobs into a durable queue.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub queue: bool,
    /// Ask the operator's model for completions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelPermission>,
}

impl Permissions {
    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What this asks for beyond `grant`, in words for an administrator ("network api.github.com"). Empty
    /// when the grant covers it all.
    #[must_use]
    pub fn beyond(&self, grant: &Self) -> Vec<String> {
        let mut wider = Vec::new();
        if self.key_value && !grant.key_value {
            wider.push("key_value".to_owned());
        }
        if self.collections && !grant.collections {
            wider.push("collections".to_owned());
        }
        wider.extend(
            self.network
                .iter()
                .filter(|wanted| !grant.network.iter().any(|given| given.covers(wanted)))
                .map(|wanted| format!("network {wanted}")),
        );
        wider.extend(
            self.private_network
                .iter()
                .filter(|wanted| !grant.private_network.iter().any(|given| given.contains(*wanted)))
                .map(|wanted| format!("private_network {wanted}")),
        );
        wider.extend(
            self.call
                .iter()
                .filter(|wanted| !grant.call.iter().any(|given| given.covers(wanted)))
                .map(|wanted| format!("call {wanted}")),
        );
        for (name, hosts) in &self.secrets {
            let given = grant.secrets.get(name).map(Vec::as_slice).unwrap_or_default();
            let covered = |wanted: &HostPattern| given.iter().any(|given| given.for_secrets().covers(&wanted.for_secrets()));
            wider.extend(
                hosts
                    .iter()
                    .filter(|wanted| !covered(wanted))
                    .map(|wanted| format!("secrets {name} for {wanted}")),
            );
        }
        if self.queue && !grant.queue {
            wider.push("queue".to_owned());
        }
        if let Some(model) = &self.model {
            wider.extend(model.beyond(grant.model.as_ref()));
        }
        wider
    }

    /// Everything in words, one line each, as consent screens list it.
    #[must_use]
    pub fn describe(&self) -> Vec<String> {
        self.beyond(&Self::default())
    }

    /// Whether an outbound request to this scheme, host and port is covered. Says nothing of the address
    /// behind the host: see [`Permissions::allows_address`].
    #[must_use]
    pub fn allows_host(&self, scheme: Scheme, host: &str, port: u16) -> bool {
        self.network.iter().any(|pattern| pattern.matches(scheme, host, port))
    }

    /// Whether a connection to this address is covered, after the host was. Public unicast addresses always
    /// are; any other needs a network in `private_network` that holds it.
    #[must_use]
    pub fn allows_address(&self, address: IpAddr) -> bool {
        let address = canonical(address);
        is_public(address) || self.private_network.iter().any(|net| net.contains(&address))
    }

    /// Whether this program of this other extension may be called.
    #[must_use]
    pub fn allows_call(&self, extension: &str, program: &str) -> bool {
        self.call.iter().any(|pattern| pattern.matches(extension, program))
    }

    /// Whether this secret may be used at all.
    #[must_use]
    pub fn allows_secret(&self, name: &str) -> bool {
        self.secrets.get(name).is_some_and(|hosts| !hosts.is_empty())
    }

    /// Whether this secret may go to this scheme, host and port. Whether a request may go there at all, says
    /// [`Permissions::allows_host`].
    #[must_use]
    pub fn allows_secret_to(&self, name: &str, scheme: Scheme, host: &str, port: u16) -> bool {
        let hosts = self.secrets.get(name).map(Vec::as_slice).unwrap_or_default();
        hosts.iter().any(|pattern| pattern.for_secrets().matches(scheme, host, port))
    }
}

/// How an outbound request travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain HTTP, port 80 unless said.
    Http,
    /// HTTP over TLS, port 443 unless said.
    Https,
}

impl Scheme {
    /// The port when a URL names none.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    /// As in a URL.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// One entry of `network`: `[scheme://]host[:port]`, the host exact or `*.` and a domain.
///
/// Without a scheme both are meant; without a port the scheme's default port. `*.example.com` covers every
/// name below `example.com`, not `example.com` itself. A bare `*` is refused.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HostPattern {
    scheme: Option<Scheme>,
    /// Lower case; without the `*.` of a wildcard; IPv6 without brackets.
    host: Box<str>,
    wildcard: bool,
    port: Option<u16>,
}

/// A text that is not a host pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a host that can be granted: {reason}")]
pub struct HostPatternError {
    /// The text as it came, cut to 128 characters.
    pub given: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl HostPattern {
    /// Whether a request to this scheme, host and port is meant. Host names are compared without regard to
    /// case and to a final dot.
    #[must_use]
    pub fn matches(&self, scheme: Scheme, host: &str, port: u16) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let host = host.strip_suffix('.').unwrap_or(host);
        let host_matches = if self.wildcard {
            host.len() > self.host.len() + 1
                && host.is_char_boundary(host.len() - self.host.len())
                && host[host.len() - self.host.len()..].eq_ignore_ascii_case(&self.host)
                && host.as_bytes()[host.len() - self.host.len() - 1] == b'.'
        } else {
            host.eq_ignore_ascii_case(&self.host)
        };
        host_matches && self.scheme.is_none_or(|own| own == scheme) && port == self.port.unwrap_or_else(|| scheme.default_port())
    }

    /// Whether everything that `other` means is meant by this pattern too.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let host = if self.wildcard {
            let below = other.host.strip_suffix(&*self.host);
            below.is_some_and(|rest| rest.ends_with('.') || (rest.is_empty() && other.wildcard))
        } else {
            !other.wildcard && self.host == other.host
        };
        let scheme = self.scheme.is_none() || self.scheme == other.scheme;
        // A pattern without a port means each scheme's default port.
        let port = match (self.port, other.port) {
            (None, Some(port)) => other.scheme.is_some_and(|scheme| scheme.default_port() == port),
            (Some(port), None) => other.scheme.is_some_and(|scheme| scheme.default_port() == port),
            (own, theirs) => own == theirs,
        };
        host && scheme && port
    }

    /// The same as an entry of `secrets`, where no scheme means TLS.
    #[must_use]
    pub fn for_secrets(&self) -> Self {
        Self {
            scheme: Some(self.scheme.unwrap_or(Scheme::Https)),
            ..self.clone()
        }
    }
}

impl std::str::FromStr for HostPattern {
    type Err = HostPatternError;

    fn from_str(text: &str) -> Result<Self, HostPatternError> {
        let fail = |reason| HostPatternError {
            given: text.chars().take(128).collect(),
            reason,
        };
        let (scheme, rest) = match text.split_once("://") {
            None => (None, text),
            Some(("http", rest)) => (Some(Scheme::Http), rest),
            Some(("https", rest)) => (Some(Scheme::Https), rest),
            Some(_) => return Err(fail("the scheme must be http or https")),
        };
        if rest.contains(['/', '?', '#', '@']) {
            return Err(fail("write only a host and, if need be, a port: no user, path or query"));
        }
        let (host, port) = if let Some(inner) = rest.strip_prefix('[') {
            let (host, after) = inner
                .split_once(']')
                .ok_or_else(|| fail("the bracket of the IPv6 address is not closed"))?;
            (host, after.strip_prefix(':').or(if after.is_empty() { None } else { Some(after) }))
        } else if let Some((host, port)) = rest.rsplit_once(':') {
            (host, Some(port))
        } else {
            (rest, None)
        };
        let port = match port {
            None => None,
            Some(port) => match port.parse::<u16>() {
                Ok(port) if port != 0 => Some(port),
                _ => return Err(fail("the port must be a number from 1 to 65535 (IPv6 addresses go in brackets)")),
            },
        };
        let (wildcard, host) = match host.strip_prefix("*.") {
            Some(domain) => (true, domain),
            None => (false, host),
        };
        if host.parse::<IpAddr>().is_ok() {
            if wildcard {
                return Err(fail("a wildcard cannot stand before an address"));
            }
        } else {
            let label = |label: &str| {
                (1..=63).contains(&label.len())
                    && !label.starts_with('-')
                    && !label.ends_with('-')
                    && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            };
            if host == "*" || host.is_empty() {
                return Err(fail("name a host or a domain; there is no pattern for every host"));
            }
            if host.len() > 253 || !host.split('.').all(label) {
                return Err(fail(
                    "a host name has labels of letters, digits and `-` joined by dots; `*.` may only stand first",
                ));
            }
            if wildcard && !host.contains('.') {
                return Err(fail(
                    "a wildcard must stand before a domain with a dot in it, such as *.example.com",
                ));
            }
        }
        Ok(Self {
            scheme,
            host: host.to_ascii_lowercase().into(),
            wildcard,
            port,
        })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(scheme) = self.scheme {
            write!(f, "{}://", scheme.text())?;
        }
        if self.wildcard {
            f.write_str("*.")?;
        }
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl fmt::Debug for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for HostPattern {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HostPattern {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for HostPattern {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HostPattern".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "examples": ["api.github.com", "*.example.com", "https://api.acme.io:8443"] })
    }
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for HostPattern {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .examples(["api.github.com"])
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for HostPattern {}

/// The IPv4 address inside an IPv6 one that stands for it (mapped, compatible, NAT64 `64:ff9b::/96`,
/// 6to4 `2002::/16`), so that no spelling of a private address slips through.
fn canonical(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let s = v6.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::from([a, b, c, d])
    };
    match s {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => v4(high, low),
        [0x2002, high, low, ..] => v4(high, low),
        _ => address,
    }
}

/// Whether an address is public unicast. Ranges from the IANA special-purpose registries
/// (<https://www.iana.org/assignments/iana-ipv4-special-registry>, `-ipv6-special-registry`).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            !(a == 0
                || a == 10
                || a == 127
                || a >= 224
                || (a == 100 && (64..128).contains(&b))
                || (a == 169 && b == 254)
                || (a == 172 && (16..32).contains(&b))
                || (a == 192 && b == 168)
                || (a == 192 && b == 0 && (c == 0 || c == 2))
                || (a == 192 && b == 88 && c == 99)
                || (a == 198 && (b == 18 || b == 19))
                || (a == 198 && b == 51 && c == 100)
                || (a == 203 && b == 0 && c == 113))
        }
        // Only 2000::/3 is global unicast, and of it not documentation, ORCHID, benchmarking or Teredo.
        IpAddr::V6(v6) => {
            let s = v6.segments();
            (s[0] & 0xe000) == 0x2000
                && !(s[0] == 0x2001 && s[1] < 0x0200)
                && !(s[0] == 0x2001 && s[1] == 0x0db8)
                && !(s[0] == 0x3fff && s[1] < 0x1000)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> HostPattern {
        text.parse().unwrap()
    }

    #[test]
    fn patterns_match_what_they_say_and_nothing_else() {
        let check = |p: &str, scheme, host: &str, port, wanted: bool| {
            assert_eq!(pattern(p).matches(scheme, host, port), wanted, "{p} on {host}:{port}");
        };
        check("api.github.com", Scheme::Https, "API.github.com.", 443, true);
        check("api.github.com", Scheme::Http, "api.github.com", 80, true);
        check("api.github.com", Scheme::Https, "api.github.com", 8443, false);
        check("api.github.com", Scheme::Https, "evil-api.github.com", 443, false);
        check("api.github.com", Scheme::Https, "api.github.com.evil.io", 443, false);
        check("https://api.github.com", Scheme::Http, "api.github.com", 80, false);
        check("*.example.com", Scheme::Https, "a.b.example.com", 443, true);
        check("*.example.com", Scheme::Https, "example.com", 443, false);
        check("*.example.com", Scheme::Https, ".example.com", 443, false);
        check("*.example.com", Scheme::Https, "badexample.com", 443, false);
        check("127.0.0.1:8080", Scheme::Http, "127.0.0.1", 8080, true);
        check("[::1]:8080", Scheme::Http, "[::1]", 8080, true);
    }

    #[test]
    fn bad_patterns_are_refused_with_a_reason() {
        for bad in [
            "",
            "*",
            "*.com",
            "*.*.example.com",
            "a.*.com",
            "ftp://x.io",
            "http://u@x.io",
            "x.io/path",
            "x.io:0",
            "x.io:99999",
            "::1",
            "*.127.0.0.1",
            "x..io",
            "-x.io",
            "x io",
        ] {
            assert!(bad.parse::<HostPattern>().is_err(), "{bad}");
        }
        for good in [
            "api.github.com",
            "*.example.com",
            "https://api.acme.io:8443",
            "[::1]:80",
            "localhost:1",
        ] {
            assert_eq!(pattern(good).to_string(), good);
        }
    }

    #[test]
    fn a_grant_covers_only_what_is_within_it() {
        let check = |given: &str, wanted: &str, covered: bool| {
            assert_eq!(pattern(given).covers(&pattern(wanted)), covered, "{given} covers {wanted}");
        };
        check("*.example.com", "api.example.com", true);
        check("*.example.com", "*.api.example.com", true);
        check("*.example.com", "*.example.com", true);
        check("*.example.com", "example.com", false);
        check("api.example.com", "*.example.com", false);
        check("api.example.com", "https://api.example.com", true);
        check("https://api.example.com", "api.example.com", false);
        check("api.example.com", "https://api.example.com:443", true);
        check("api.example.com", "api.example.com:8443", false);
        let wanted = Permissions {
            key_value: true,
            network: vec![pattern("a.io"), pattern("b.io")],
            ..Default::default()
        };
        let grant = Permissions {
            network: vec![pattern("a.io")],
            ..Default::default()
        };
        assert_eq!(wanted.beyond(&grant), ["key_value", "network b.io"]);
    }

    fn with_secret(name: &str, hosts: &[&str]) -> Permissions {
        Permissions {
            secrets: BTreeMap::from([(name.parse().unwrap(), hosts.iter().map(|host| pattern(host)).collect())]),
            ..Default::default()
        }
    }

    #[test]
    fn a_secret_goes_only_to_its_hosts_and_over_tls_unless_said() {
        let check = |hosts: &[&str], scheme, host: &str, port, wanted: bool| {
            let granted = with_secret("token", hosts);
            assert_eq!(
                granted.allows_secret_to("token", scheme, host, port),
                wanted,
                "{hosts:?} on {host}:{port}"
            );
            assert!(!granted.allows_secret_to("other", scheme, host, port));
        };
        check(&["api.github.com"], Scheme::Https, "api.github.com", 443, true);
        check(&["api.github.com"], Scheme::Https, "API.GitHub.com.", 443, true);
        check(&["api.github.com"], Scheme::Http, "api.github.com", 80, false);
        check(&["api.github.com"], Scheme::Http, "api.github.com", 443, false);
        check(&["api.github.com"], Scheme::Https, "api.github.com", 8443, false);
        check(&["api.github.com"], Scheme::Https, "api.github.com.evil.io", 443, false);
        check(&["api.github.com"], Scheme::Https, "evil-api.github.com", 443, false);
        check(&["*.github.com"], Scheme::Https, "api.github.com", 443, true);
        check(&["*.github.com"], Scheme::Https, "github.com", 443, false);
        check(&["localhost:8080"], Scheme::Http, "localhost", 8080, false);
        check(&["http://localhost:8080"], Scheme::Http, "localhost", 8080, true);
        check(&["http://localhost:8080"], Scheme::Https, "localhost", 8080, false);
        check(&["a.io", "b.io"], Scheme::Https, "b.io", 443, true);
        check(&[], Scheme::Https, "b.io", 443, false);
        assert!(!with_secret("token", &[]).allows_secret("token"));
        assert!(with_secret("token", &["a.io"]).allows_secret("token"));
        assert!(!Permissions::default().allows_secret("token"));
    }

    #[test]
    fn calls_and_secrets_beyond_the_grant_are_told_in_words() {
        let wanted = Permissions {
            call: vec!["geo/lookup".parse().unwrap(), "maps/*".parse().unwrap()],
            ..with_secret("token", &["a.io", "http://a.io", "b.io"])
        };
        let grant = Permissions {
            call: vec!["geo/*".parse().unwrap(), "maps/draw".parse().unwrap()],
            ..with_secret("token", &["https://a.io"])
        };
        assert_eq!(
            wanted.beyond(&grant),
            ["call maps/*", "secrets token for http://a.io", "secrets token for b.io"]
        );
        assert_eq!(wanted.beyond(&wanted), Vec::<String>::new());
        assert_eq!(
            wanted.describe(),
            [
                "call geo/lookup",
                "call maps/*",
                "secrets token for a.io",
                "secrets token for http://a.io",
                "secrets token for b.io"
            ]
        );
        // A grant of one secret says nothing of another, and an entry without hosts grants nothing.
        assert_eq!(with_secret("other", &["a.io"]).beyond(&grant), ["secrets other for a.io"]);
        assert_eq!(with_secret("token", &["a.io"]).beyond(&with_secret("token", &[])).len(), 1);
    }

    #[test]
    fn permissions_are_written_without_what_is_not_used_and_read_strictly() {
        let all = Permissions {
            call: vec!["geo/*".parse().unwrap()],
            ..with_secret("token", &["a.io"])
        };
        let text = serde_json::to_string(&all).unwrap();
        assert!(text.contains(r#""call":["geo/*"],"secrets":{"token":["a.io"]}"#), "{text}");
        assert_eq!(serde_json::from_str::<Permissions>(&text).unwrap(), all);
        let none = serde_json::to_string(&Permissions::default()).unwrap();
        assert!(!none.contains("call") && !none.contains("secrets"), "{none}");
        for bad in [
            r#"{"call": true}"#,
            r#"{"call": "geo/lookup"}"#,
            r#"{"call": ["*/*"]}"#,
            r#"{"calls": []}"#,
            r#"{"secrets": ["token"]}"#,
            r#"{"secrets": {"Token": ["a.io"]}}"#,
            r#"{"secrets": {"token": "a.io"}}"#,
            r#"{"secrets": {"token": ["*"]}}"#,
            r#"{"secrets": {"../token": ["a.io"]}}"#,
        ] {
            assert!(serde_json::from_str::<Permissions>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn private_addresses_need_a_private_network_however_they_are_spelt() {
        let none = Permissions::default();
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "64:ff9b:1::1",
        ] {
            assert!(!none.allows_address(private.parse().unwrap()), "{private}");
        }
        for public in ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"] {
            assert!(none.allows_address(public.parse().unwrap()), "{public}");
        }
        let granted = Permissions {
            private_network: vec!["127.0.0.0/8".parse().unwrap()],
            ..Default::default()
        };
        assert!(granted.allows_address("127.0.0.1".parse().unwrap()));
        assert!(granted.allows_address("::ffff:127.0.0.1".parse().unwrap()));
        assert!(!granted.allows_address("10.0.0.1".parse().unwrap()));
    }
}
