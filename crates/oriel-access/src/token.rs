//! The form of API keys: `oriel_<id>_<secret>`.
//!
//! `<id>` is the body of the key's id (26 characters, not secret), `<secret>` is 32 random bytes in base64url.
//! Only SHA-256 of the secret is kept: with 256 random bits a slow password hash would add cost and no safety.
//! A token of another form (an operator's own bootstrap key) gets an id from its hash.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oriel_model::id::KeyId;
use sha2::{Digest as _, Sha256};

/// Shortest and longest token that is looked at, in bytes.
const LENGTH: std::ops::RangeInclusive<usize> = 24..=256;

/// What a token says without a look at the store.
pub(crate) struct Token {
    pub(crate) id: KeyId,
    pub(crate) secret_hash: [u8; 32],
}

impl Token {
    /// Reads a token; nothing when it cannot be one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if !LENGTH.contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return None;
        }
        let structured = text.strip_prefix("oriel_").and_then(|rest| rest.split_once('_'));
        if let Some((id, secret)) = structured
            && let Ok(id) = format!("key_{id}").parse::<KeyId>()
        {
            return Some(Self {
                id,
                secret_hash: Sha256::digest(secret.as_bytes()).into(),
            });
        }
        let hash: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        let mut body = [0; 16];
        body.copy_from_slice(&Sha256::digest(hash)[..16]);
        Some(Self {
            id: KeyId::from_ulid(u128::from_be_bytes(body).into()),
            secret_hash: hash,
        })
    }

    /// Makes a new token for `id`: the text that is shown once, and what is kept.
    pub(crate) fn generate(id: KeyId) -> (String, Self) {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).expect("the operating system's random source works");
        let secret = URL_SAFE_NO_PAD.encode(bytes);
        let body = id.to_string();
        let body = body.trim_start_matches("key_");
        let secret_hash = Sha256::digest(secret.as_bytes()).into();
        (format!("oriel_{body}_{secret}"), Self { id, secret_hash })
    }
}

#[cfg(test)]
mod tests {
    use oriel_model::Timestamp;

    use super::*;

    #[test]
    fn a_generated_token_parses_to_itself() {
        let id = KeyId::new(Timestamp::from_millis(1_700_000_000_000));
        let (text, token) = Token::generate(id);
        let parsed = Token::parse(&text).unwrap();
        assert_eq!((parsed.id, parsed.secret_hash), (id, token.secret_hash));
    }

    #[test]
    fn foreign_forms_get_a_stable_id_and_nonsense_none() {
        let token = Token::parse("a-bootstrap-key-of-the-operator").unwrap();
        assert_eq!(token.id, Token::parse("a-bootstrap-key-of-the-operator").unwrap().id);
        for bad in [
            "",
            "short",
            "with a space in it, and long enough",
            &"x".repeat(257),
            "ünïcödé-but-long-enough-for-it",
        ] {
            assert!(Token::parse(bad).is_none(), "{bad}");
        }
    }
}
