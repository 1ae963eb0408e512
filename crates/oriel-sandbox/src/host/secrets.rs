//! Secrets: the guest gets texts that stand for them, and the headers of its requests get the secrets.

use std::fmt::Write as _;

use http::HeaderMap;
use http::header::HeaderValue;
use oriel_model::name::SecretName;
use oriel_model::permissions::{Permissions, Scheme};
use parking_lot::Mutex;

use crate::bindings::secrets::Host;
use crate::bindings::types::Error;
use crate::ports::Secrets;
use crate::state::State;

/// How every placeholder begins. Longer texts are compared only where this stands.
const PREFIX: &str = "oriel-secret-";
/// Random bytes of a placeholder. It must not be guessed: whoever could make the guest send a text of their own choice in a header
/// would otherwise make it send a secret.
const RANDOM: usize = 16;
const LENGTH: usize = PREFIX.len() + 2 * RANDOM;

/// The placeholders of one instance. At most one for each secret of its grant.
#[derive(Debug, Default)]
pub(crate) struct Placeholders(Mutex<Vec<(SecretName, String)>>);

/// Where a request goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Destination<'a> {
    pub(crate) scheme: Scheme,
    pub(crate) host: &'a str,
    pub(crate) port: u16,
}

/// A secret stands in a request where it may not go.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Forbidden(pub(crate) SecretName);

impl Placeholders {
    fn of(&self, name: &SecretName) -> String {
        let mut known = self.0.lock();
        if let Some((_, text)) = known.iter().find(|(known, _)| known == name) {
            return text.clone();
        }
        let mut random = [0u8; RANDOM];
        getrandom::fill(&mut random).expect("the operating system's random source works");
        let mut text = PREFIX.to_owned();
        for byte in random {
            write!(text, "{byte:02x}").expect("writing to text");
        }
        known.push((name.clone(), text.clone()));
        text
    }

    /// Which secret the text that begins at `at` stands for.
    fn at(&self, value: &[u8], at: usize) -> Option<SecretName> {
        let text = value.get(at..at + LENGTH)?;
        let known = self.0.lock();
        known
            .iter()
            .find(|(_, placeholder)| placeholder.as_bytes() == text)
            .map(|(name, _)| name.clone())
    }

    /// Whether a placeholder stands in `text`.
    pub(crate) fn stand_in(&self, text: &str) -> bool {
        text.match_indices(PREFIX).any(|(at, _)| self.at(text.as_bytes(), at).is_some())
    }

    /// Puts secrets in the place of their placeholders in the values of `headers`, all or none; answers which.
    pub(crate) fn fill(
        &self,
        headers: &mut HeaderMap,
        to: Destination<'_>,
        grant: &Permissions,
        secrets: &dyn Secrets,
    ) -> Result<Vec<SecretName>, Forbidden> {
        let mut used = Vec::new();
        if self.0.lock().is_empty() {
            return Ok(used);
        }
        let mut filled = Vec::new();
        for (index, value) in headers.values().enumerate() {
            if let Some(value) = self.filled(value.as_bytes(), to, grant, secrets, &mut used)? {
                filled.push((index, value));
            }
        }
        let mut filled = filled.into_iter().peekable();
        for (index, value) in headers.values_mut().enumerate() {
            if let Some((_, new)) = filled.next_if(|(at, _)| *at == index) {
                *value = new;
            }
        }
        Ok(used)
    }

    fn filled(
        &self,
        value: &[u8],
        to: Destination<'_>,
        grant: &Permissions,
        secrets: &dyn Secrets,
        used: &mut Vec<SecretName>,
    ) -> Result<Option<HeaderValue>, Forbidden> {
        let mut new = Vec::new();
        let (mut at, mut copied) = (0, 0);
        while at + LENGTH <= value.len() {
            let Some(name) = value[at..].starts_with(PREFIX.as_bytes()).then(|| self.at(value, at)).flatten() else {
                at += 1;
                continue;
            };
            let allowed = grant.allows_secret_to(name.as_str(), to.scheme, to.host, to.port);
            let (true, Some(secret)) = (allowed, secrets.value(&name)) else {
                return Err(Forbidden(name));
            };
            new.extend_from_slice(&value[copied..at]);
            new.extend_from_slice(secret.reveal().as_bytes());
            at += LENGTH;
            copied = at;
            if !used.contains(&name) {
                used.push(name);
            }
        }
        if copied == 0 {
            return Ok(None);
        }
        new.extend_from_slice(&value[copied..]);
        let Ok(mut new) = HeaderValue::from_bytes(&new) else {
            // What cannot stand in a header is not accepted as a secret; were it, it must not go out in part.
            return Err(Forbidden(used.last().expect("one was put in").clone()));
        };
        new.set_sensitive(true);
        Ok(Some(new))
    }
}

impl State {
    fn placeholder_of(&self, name: &str) -> Result<String, Error> {
        let name: SecretName = name
            .parse()
            .map_err(|error: oriel_model::name::NameError| Error::InvalidInput(error.to_string()))?;
        if !self.spec.grant.allows_secret(name.as_str()) {
            let what = format!("secrets {name}");
            let message = format!("the grant does not cover {what}");
            self.refuse(what);
            return Err(Error::Denied(message));
        }
        if self.spec.services.secrets.value(&name).is_none() {
            return Err(Error::Unavailable(format!(
                "nobody has set the secret `{name}` yet (`oriel secret set {} {name}`)",
                self.spec.extension
            )));
        }
        Ok(self.placeholders.of(&name))
    }
}

impl Host for State {
    fn placeholder(&mut self, name: String) -> wasmtime::Result<Result<String, Error>> {
        self.host_call(name.len())?;
        Ok(self.placeholder_of(&name))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::ports::{SecretUse, SecretValue};

    struct Safe(BTreeMap<SecretName, SecretValue>);

    impl Secrets for Safe {
        fn value(&self, name: &SecretName) -> Option<&SecretValue> {
            self.0.get(name)
        }

        fn used(&self, _: SecretUse) {}
    }

    fn safe() -> Safe {
        let secret = |name: &str, value: &str| (name.parse().unwrap(), SecretValue::new(value.to_owned()));
        Safe(BTreeMap::from([secret("a", "alpha"), secret("b", "beta")]))
    }

    fn grant() -> Permissions {
        serde_json::from_str(r#"{"secrets": {"a": ["a.io"], "b": ["a.io", "b.io"]}}"#).unwrap()
    }

    fn filled(placeholders: &Placeholders, host: &str, values: &[String]) -> Result<Vec<String>, Forbidden> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("x-test", value.parse().unwrap());
        }
        let to = Destination {
            scheme: Scheme::Https,
            host,
            port: 443,
        };
        placeholders.fill(&mut headers, to, &grant(), &safe())?;
        Ok(headers.values().map(|value| value.to_str().unwrap().to_owned()).collect())
    }

    #[test]
    fn placeholders_are_found_wherever_they_stand_in_a_value() {
        let ours = Placeholders::default();
        let (a, b) = (ours.of(&"a".parse().unwrap()), ours.of(&"b".parse().unwrap()));
        assert_eq!(a, ours.of(&"a".parse().unwrap()));
        assert_ne!(a, Placeholders::default().of(&"a".parse().unwrap()));
        let given = [
            "plain".to_owned(),
            format!("Bearer {a}"),
            format!("{a}{b}-{a}"),
            format!("{PREFIX}{a}"),
            a[..a.len() - 1].to_owned(),
            a.to_uppercase(),
            String::new(),
        ];
        let wanted = [
            "plain".to_owned(),
            "Bearer alpha".to_owned(),
            "alphabeta-alpha".to_owned(),
            format!("{PREFIX}alpha"),
            a[..a.len() - 1].to_owned(),
            a.to_uppercase(),
            String::new(),
        ];
        assert_eq!(filled(&ours, "a.io", &given).unwrap(), wanted);
        assert!(ours.stand_in(&format!("/x?token={a}")) && !ours.stand_in("/x?token=oriel-secret-"));
    }

    #[test]
    fn one_secret_in_the_wrong_place_stops_the_whole_request() {
        let ours = Placeholders::default();
        let (a, b) = (ours.of(&"a".parse().unwrap()), ours.of(&"b".parse().unwrap()));
        assert_eq!(filled(&ours, "b.io", std::slice::from_ref(&b)).unwrap(), ["beta"]);
        assert_eq!(filled(&ours, "b.io", &[b, a.clone()]), Err(Forbidden("a".parse().unwrap())));
        assert_eq!(
            filled(&ours, "c.io", std::slice::from_ref(&a)),
            Err(Forbidden("a".parse().unwrap()))
        );
        // Another instance's placeholder is a text like any other.
        assert_eq!(filled(&Placeholders::default(), "a.io", std::slice::from_ref(&a)).unwrap(), [a]);
    }
}
