//! Signatures by the Standard Webhooks scheme, version 1: HMAC-SHA256 over id, time and body
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use oriel_model::Timestamp;
use sha2::Sha256;

/// How far a request's time may be from the receiver's, as the kits hold it.
pub const TOLERANCE: Duration = Duration::from_secs(300);

/// How every secret begins.
const PREFIX: &str = "whsec_";
/// Random bytes of a new secret.
const RANDOM: usize = 32;
/// Bytes that a secret may have; the scheme says 24 to 64.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// A secret that this server and one service share. Never shown by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(Box<[u8]>);

/// A text that is not a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a signing secret is `whsec_` and 24 to 64 bytes in Base64")]
pub struct SecretError;

impl SigningSecret {
    /// A new one.
    ///
    /// # Panics
    /// When the operating system has no randomness.
    #[must_use]
    pub fn random() -> Self {
        let mut random = [0u8; RANDOM];
        getrandom::fill(&mut random).expect("the operating system's random source works");
        Self(random.into())
    }

    /// Its text, which the service is given.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }

    fn mac(&self, id: &str, seconds: &str, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key may have any length");
        for part in [id.as_bytes(), b".", seconds.as_bytes(), b".", body] {
            mac.update(part);
        }
        mac
    }

    /// The signature of a request.
    #[must_use]
    pub fn sign(&self, id: &str, seconds: &str, body: &[u8]) -> String {
        format!("v1,{}", STANDARD.encode(self.mac(id, seconds, body).finalize().into_bytes()))
    }

    /// Whether one of the signatures in the header `webhook-signature` is this secret's, compared in constant time. The receiver
    /// also looks at the time and remembers ids.
    #[must_use]
    pub fn verifies(&self, signatures: &str, id: &str, seconds: &str, body: &[u8]) -> bool {
        signatures.split(' ').any(|signature| {
            let given = signature.strip_prefix("v1,").and_then(|text| STANDARD.decode(text).ok());
            given.is_some_and(|given| self.mac(id, seconds, body).verify_slice(&given).is_ok())
        })
    }
}

impl FromStr for SigningSecret {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, SecretError> {
        let bytes = text
            .strip_prefix(PREFIX)
            .and_then(|text| STANDARD.decode(text).ok())
            .ok_or(SecretError)?;
        if LENGTHS.contains(&bytes.len()) {
            Ok(Self(bytes.into()))
        } else {
            Err(SecretError)
        }
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret")
    }
}

/// Signs requests with every secret that is in force at the time, so that a service may learn a new one while it still knows
/// the former one.
#[derive(Debug, Clone)]
pub struct Signer(Arc<[(SigningSecret, Option<Timestamp>)]>);

/// The headers of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Headers {
    /// `webhook-id`: of this request alone.
    pub id: String,
    /// `webhook-timestamp`: seconds since the Unix epoch.
    pub timestamp: String,
    /// `webhook-signature`: one signature for each secret.
    pub signature: String,
}

impl Signer {
    /// Signs with these secrets, each until the moment beside it.
    #[must_use]
    pub fn new(secrets: Vec<(SigningSecret, Option<Timestamp>)>) -> Self {
        Self(secrets.into())
    }

    /// The headers of a request that is sent `now`.
    #[must_use]
    pub fn sign(&self, now: Timestamp, body: &[u8]) -> Headers {
        let id = format!("msg_{}", oriel_model::id::next_ulid(now).to_string().to_lowercase());
        let timestamp = now.millis().div_euclid(1_000).to_string();
        let in_force = self.0.iter().filter(|(_, until)| until.is_none_or(|until| now < until));
        let signatures: Vec<String> = in_force.map(|(secret, _)| secret.sign(&id, &timestamp, body)).collect();
        Headers {
            signature: signatures.join(" "),
            id,
            timestamp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries.
    #[test]
    fn a_known_signature() {
        let secret: SigningSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
        let (id, seconds, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", br#"{"test": 2432232314}"#);
        let signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(secret.sign(id, seconds, body), signature);
        assert!(secret.verifies(&format!("v1a,x v1,AAAA {signature}"), id, seconds, body));
        for (signatures, id, seconds, body) in [
            (signature, "msg_other", seconds, &body[..]),
            (signature, id, "1614265331", &body[..]),
            (signature, id, seconds, b"{}"),
            ("", id, seconds, &body[..]),
            ("v1,", id, seconds, &body[..]),
            (&signature[3..], id, seconds, &body[..]),
            (&signature.replace("v1,", "v2,"), id, seconds, &body[..]),
        ] {
            assert!(!secret.verifies(signatures, id, seconds, body));
        }
    }

    #[test]
    fn secrets_are_texts_of_one_form() {
        let secret = SigningSecret::random();
        assert_eq!(secret.reveal().parse(), Ok(secret.clone()));
        assert_ne!(secret, SigningSecret::random());
        assert!(!format!("{secret:?}").contains(&secret.reveal()[6..]));
        for bad in [
            "",
            "whsec_",
            "whsec_AAAA",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_***",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
        ] {
            assert_eq!(bad.parse::<SigningSecret>(), Err(SecretError), "{bad}");
        }
    }

    #[test]
    fn both_secrets_sign_until_the_former_one_ends() {
        let (new, old) = (SigningSecret::random(), SigningSecret::random());
        let until = Timestamp::from_millis(10_000);
        let signer = Signer::new(vec![(new.clone(), None), (old.clone(), Some(until))]);
        let verified = |now: i64| {
            let headers = signer.sign(Timestamp::from_millis(now), b"x");
            let by = |secret: &SigningSecret| secret.verifies(&headers.signature, &headers.id, &headers.timestamp, b"x");
            (by(&new), by(&old))
        };
        assert_eq!(verified(9_999), (true, true));
        assert_eq!(verified(10_000), (true, false));
        let ids = [signer.sign(until, b"x").id, signer.sign(until, b"x").id];
        assert_ne!(ids[0], ids[1]);
    }
}
