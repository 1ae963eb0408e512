//! Encrypting secrets at rest: XChaCha20-Poly1305 under one master key, bound to the place where they lie.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

/// Text before every sealed value: the version of this form.
const PREFIX: &str = "sealed:v1:";
const NONCE: usize = 24;

/// A value that cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Not a sealed value, damaged, sealed for another place, or sealed under another key.
    #[error("a sealed value cannot be opened: it is damaged, or the master key is not the one it was sealed with")]
    Unopenable,
    /// The master key has another length.
    #[error("the master key must be 32 bytes in base64 (`head -c 32 /dev/urandom | base64` makes one)")]
    Key,
}

/// Seals and opens values under the platform's master key.
pub struct Sealer {
    cipher: XChaCha20Poly1305,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer")
    }
}

impl Sealer {
    /// A sealer under `key`.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self {
            cipher: XChaCha20Poly1305::new(key.into()),
        }
    }

    /// A sealer under a key in base64, as files and environment variables carry it.
    ///
    /// # Errors
    /// [`SealError::Key`] when it is not 32 bytes in base64.
    pub fn from_base64(text: &str) -> Result<Self, SealError> {
        let bytes = STANDARD_NO_PAD
            .decode(text.trim().trim_end_matches('='))
            .map_err(|_| SealError::Key)?;
        Ok(Self::new(&bytes.try_into().map_err(|_| SealError::Key)?))
    }

    /// A new master key in base64.
    #[must_use]
    pub fn generate_key() -> String {
        let mut key = [0; 32];
        getrandom::fill(&mut key).expect("the operating system's random source works");
        STANDARD_NO_PAD.encode(key)
    }

    /// Seals `secret` for `place` (tenant, extension, field): opened elsewhere it fails.
    #[must_use]
    pub fn seal(&self, place: &str, secret: &[u8]) -> String {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).expect("the operating system's random source works");
        let payload = Payload {
            msg: secret,
            aad: place.as_bytes(),
        };
        let sealed = self
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .expect("values are far below the cipher's length limit");
        format!("{PREFIX}{}", STANDARD_NO_PAD.encode([&nonce[..], &sealed].concat()))
    }

    /// Opens what [`Sealer::seal`] made for the same place.
    ///
    /// # Errors
    /// [`SealError::Unopenable`].
    pub fn open(&self, place: &str, sealed: &str) -> Result<Vec<u8>, SealError> {
        let text = sealed.strip_prefix(PREFIX).ok_or(SealError::Unopenable)?;
        let bytes = STANDARD_NO_PAD.decode(text).map_err(|_| SealError::Unopenable)?;
        let (nonce, body) = bytes.split_first_chunk::<NONCE>().ok_or(SealError::Unopenable)?;
        let payload = Payload {
            msg: body,
            aad: place.as_bytes(),
        };
        self.cipher
            .decrypt(&XNonce::from(*nonce), payload)
            .map_err(|_| SealError::Unopenable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_opens_only_in_its_place_and_under_its_key() {
        let sealer = Sealer::from_base64(&Sealer::generate_key()).unwrap();
        let sealed = sealer.seal("ten_1/slack/token", b"xoxb-1");
        assert!(!sealed.contains("xoxb"));
        assert_eq!(sealer.open("ten_1/slack/token", &sealed).unwrap(), b"xoxb-1");
        assert_eq!(sealer.open("ten_2/slack/token", &sealed), Err(SealError::Unopenable));
        let other = Sealer::new(&[7; 32]);
        assert_eq!(other.open("ten_1/slack/token", &sealed), Err(SealError::Unopenable));
        for bad in ["", "sealed:v1:", "sealed:v1:!!!", "xoxb-1", &sealed[..sealed.len() - 2]] {
            assert_eq!(sealer.open("ten_1/slack/token", bad), Err(SealError::Unopenable), "{bad}");
        }
        assert!(Sealer::from_base64("c2hvcnQ").is_err());
    }
}
