//! What proves to a receiver that a notice is ours: HMAC-SHA256 over time, nonce, request line and body
//! (payments-domain.md §6.4). Knows no clock and no randomness: both are arguments.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// A shorter key is weaker than the hash.
const MIN_KEY_BYTES: usize = 32;
/// A longer one is no key but a file of another kind.
const MAX_KEY_BYTES: usize = 1_024;
/// Hex digits of a key's id: enough to tell a few keys apart.
const KEY_ID_DIGITS: usize = 16;
/// Whoever else may read the key may forge notices.
const OTHERS: u32 = 0o077;

/// The key that signs notices.
pub struct Key {
    id: String,
    keyed: Hmac<Sha256>,
}

/// A key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("key file {path}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others than its owner may read it.
    #[error("key file {path} has mode {mode:o}: only its owner may read it, as with 600")]
    Open {
        /// Which file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The text is not a key.
    #[error("key file {path}: a key is {MIN_KEY_BYTES} to {MAX_KEY_BYTES} bytes in hexadecimal")]
    Malformed {
        /// Which file.
        path: PathBuf,
    },
}

impl Key {
    /// Reads a key from a file that only its owner may read.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn from_file(path: &Path) -> Result<Self, KeyError> {
        let owned = || path.to_owned();
        let failed = |source| KeyError::File { path: owned(), source };
        let mode = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o777;
        if mode & OTHERS != 0 {
            return Err(KeyError::Open { path: owned(), mode });
        }
        let text = fs::read_to_string(path).map_err(failed)?;
        let bytes = hex::decode(text.trim()).ok();
        let bytes = bytes.filter(|bytes| (MIN_KEY_BYTES..=MAX_KEY_BYTES).contains(&bytes.len()));
        bytes.map(|bytes| Self::of(&bytes)).ok_or_else(|| KeyError::Malformed { path: owned() })
    }

    fn of(bytes: &[u8]) -> Self {
        let mut id = hex::encode(Sha256::digest(bytes));
        id.truncate(KEY_ID_DIGITS);
        Self { id, keyed: Hmac::new_from_slice(bytes).expect("HMAC takes a key of any length") }
    }

    /// Tells the receiver which of its keys to check with; reveals nothing of the key.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Signs a POST to `path`, as its request line has it, in lower-case hex.
    #[must_use]
    pub fn sign(&self, unix_s: i64, nonce: &str, path: &str, body: &[u8]) -> String {
        let digest = hex::encode(Sha256::digest(body));
        let mut mac = self.keyed.clone();
        mac.update(format!("{unix_s}\n{nonce}\nPOST\n{path}\n{digest}\n").as_bytes());
        hex::encode(mac.finalize().into_bytes())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str, mode: u32) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    #[test]
    fn the_signature_is_the_documented_one() {
        // printf '1800000000\nn0\nPOST\n/hook?a=1\n%s\n' "$(printf '{}' | openssl dgst -sha256 -r | cut -c1-64)" |
        //     openssl dgst -sha256 -mac HMAC -macopt hexkey:0b0b…0b
        let key = Key::of(&[0x0b; 32]);
        let signature = key.sign(1_800_000_000, "n0", "/hook?a=1", b"{}");
        assert_eq!(signature, "07be4dd6dd9cbeb015d558b6a0d4b236ac9c9e350a9274e26b9f35dd7ce12d2d");
        assert_eq!(key.id().len(), KEY_ID_DIGITS);
        assert_eq!(format!("{key:?}"), format!("Key({})", key.id()), "the key is never printed");
    }

    #[test]
    fn whatever_is_signed_counts() {
        let (key, other) = (Key::of(&[1; 32]), Key::of(&[2; 32]));
        let signed = key.sign(1, "n", "/p", b"b");
        let others = [
            other.sign(1, "n", "/p", b"b"),
            key.sign(2, "n", "/p", b"b"),
            key.sign(1, "m", "/p", b"b"),
            key.sign(1, "n", "/q", b"b"),
            key.sign(1, "n", "/p", b"c"),
        ];
        assert!(others.iter().all(|other| *other != signed));
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let key = "0b".repeat(32);
        assert!(Key::from_file(file(&key, 0o600).path()).is_ok());
        assert!(Key::from_file(file(&format!("{key}\n"), 0o400).path()).is_ok());
        for mode in [0o644, 0o640, 0o604] {
            let refused = Key::from_file(file(&key, mode).path());
            assert!(matches!(refused, Err(KeyError::Open { .. })), "{mode:o}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "0b", &"0b".repeat(31), &"zz".repeat(32), &"0b".repeat(1_025)] {
            assert!(matches!(Key::from_file(file(text, 0o600).path()), Err(KeyError::Malformed { .. })));
        }
        assert!(matches!(Key::from_file(Path::new("/nowhere")), Err(KeyError::File { .. })));
    }
}
