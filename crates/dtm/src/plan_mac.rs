//! The plan MAC: proof, in the metadata of a branch call, that the caller holds the key and means this plan of this
//! gid. Knows no clock: the time is an argument.

use std::fmt;
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

const VERSION: &str = "v1";
const KEY_BYTES: usize = 32;

/// The key that mints and verifies plan MACs.
#[derive(Clone)]
pub struct PlanMacKey {
    hex: [u8; 2 * KEY_BYTES],
    keyed: Hmac<Sha256>,
}

/// What a verified plan MAC says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanMac {
    /// SHA-256 of the plan.
    pub plan_hash: [u8; 32],
    /// Until when it is valid, in seconds since 1970.
    pub expiry_unix_s: i64,
}

/// A plan MAC was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlanMacError {
    /// It does not have the form of a plan MAC.
    #[error("the plan MAC is malformed")]
    Malformed,
    /// It was made for another gid or plan, or with another key.
    #[error("the plan MAC is not one for this gid and key")]
    Mismatch,
    /// It was valid once.
    #[error("the plan MAC has expired")]
    Expired,
}

/// The key cannot be read, made or kept.
#[derive(Debug, thiserror::Error)]
pub enum PlanMacKeyError {
    /// The text is not a key.
    #[error("a plan MAC key is 32 bytes in hexadecimal")]
    Malformed,
    /// The file cannot be read or written.
    #[error("plan MAC key file {path}")]
    File {
        /// Which file.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The system has no randomness to offer.
    #[error("no randomness for a plan MAC key: {0}")]
    Randomness(getrandom::Error),
}

impl PlanMacKey {
    /// A new key from the system's randomness.
    pub fn generate() -> Result<PlanMacKey, PlanMacKeyError> {
        let mut key = [0; KEY_BYTES];
        getrandom::fill(&mut key).map_err(PlanMacKeyError::Randomness)?;
        Ok(PlanMacKey::of(&key))
    }

    /// Reads a key of 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Result<PlanMacKey, PlanMacKeyError> {
        let mut key = [0; KEY_BYTES];
        hex::decode_to_slice(text.trim(), &mut key).map_err(|_| PlanMacKeyError::Malformed)?;
        Ok(PlanMacKey::of(&key))
    }

    /// Reads the key that [`write_file`](Self::write_file) wrote.
    pub fn from_file(path: &Path) -> Result<PlanMacKey, PlanMacKeyError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| PlanMacKeyError::File { path: path.to_owned(), source })?;
        PlanMacKey::from_hex(&text)
    }

    /// Writes the key into a new file of mode 0600 (its folder, if made: 0700). Never replaces a file.
    pub fn write_file(&self, path: &Path) -> Result<(), PlanMacKeyError> {
        self.try_write(path).map_err(|source| PlanMacKeyError::File { path: path.to_owned(), source })
    }

    /// A key for another purpose, the same wherever this one is; nobody learns this one from it.
    pub fn derive(&self, purpose: &str) -> [u8; KEY_BYTES] {
        let mut mac = self.keyed.clone();
        // No plan MAC is over such a text: theirs have bars.
        mac.update(format!("key for {}", purpose.replace('|', " ")).as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// The text for the metadata of a branch call.
    pub fn mint(&self, gid: impl AsRef<str>, plan_hash: &[u8; 32], expiry_unix_s: i64) -> String {
        let hash = hex::encode(plan_hash);
        let tag = self.over(gid.as_ref(), &hash, expiry_unix_s).finalize().into_bytes();
        format!("{VERSION}.{hash}.{expiry_unix_s}.{}", hex::encode(tag))
    }

    /// Checks `text` for `gid` at the time `now_unix_s`; whether the plan hash is the right one is the caller's check.
    pub fn verify(&self, gid: impl AsRef<str>, text: &str, now_unix_s: i64) -> Result<PlanMac, PlanMacError> {
        let mut parts = text.split('.');
        let (Some(VERSION), Some(hash), Some(expiry), Some(tag), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(PlanMacError::Malformed);
        };
        let (mut plan_hash, mut given) = ([0; 32], [0; 32]);
        hex::decode_to_slice(hash, &mut plan_hash).map_err(|_| PlanMacError::Malformed)?;
        hex::decode_to_slice(tag, &mut given).map_err(|_| PlanMacError::Malformed)?;
        let expiry_unix_s: i64 = expiry.parse().map_err(|_| PlanMacError::Malformed)?;
        let expected = self.over(gid.as_ref(), &hex::encode(plan_hash), expiry_unix_s);
        expected.verify_slice(&given).map_err(|_| PlanMacError::Mismatch)?;
        if now_unix_s >= expiry_unix_s {
            return Err(PlanMacError::Expired);
        }
        Ok(PlanMac { plan_hash, expiry_unix_s })
    }

    fn of(key: &[u8; KEY_BYTES]) -> PlanMacKey {
        let mut text = [0; 2 * KEY_BYTES];
        hex::encode_to_slice(key, &mut text).expect("the buffer has two digits for each byte");
        let keyed = Hmac::new_from_slice(key).expect("HMAC takes a key of any length");
        PlanMacKey { hex: text, keyed }
    }

    fn over(&self, gid: &str, plan_hash_hex: &str, expiry_unix_s: i64) -> Hmac<Sha256> {
        let mut mac = self.keyed.clone();
        mac.update(format!("{gid}|{plan_hash_hex}|{expiry_unix_s}").as_bytes());
        mac
    }

    fn try_write(&self, path: &Path) -> std::io::Result<()> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(&self.hex)?;
        file.write_all(b"\n")?;
        file.sync_all()
    }
}

impl fmt::Debug for PlanMacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlanMacKey(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::{PlanMac, PlanMacError, PlanMacKey, PlanMacKeyError};
    use std::os::unix::fs::PermissionsExt;

    const GID: &str = "0192d3c4-5b6a-7f01-8abc-0123456789ab";
    const HASH: [u8; 32] = [7; 32];
    const EXPIRY: i64 = 1_800_000_000;

    fn key() -> PlanMacKey {
        PlanMacKey::from_hex(&"0b".repeat(32)).unwrap()
    }

    #[test]
    fn what_was_minted_verifies_until_it_expires() {
        let text = key().mint(GID, &HASH, EXPIRY);
        let said = PlanMac { plan_hash: HASH, expiry_unix_s: EXPIRY };
        assert_eq!(key().verify(GID, &text, EXPIRY - 1), Ok(said));
        assert_eq!(key().verify(GID, &text, EXPIRY), Err(PlanMacError::Expired));
    }

    #[test]
    fn the_text_is_the_documented_one() {
        // openssl: printf '%s|%s|%s' GID 0707…07 1800000000 | openssl dgst -sha256 -mac HMAC -macopt hexkey:0b0b…0b
        let text = key().mint(GID, &HASH, EXPIRY);
        let tag = "4b5efabeb8025a691b3e0514a66a164e34da91a57218440d5551dab20bbd3bc7";
        assert_eq!(text, format!("v1.{}.{EXPIRY}.{tag}", "07".repeat(32)));
    }

    #[test]
    fn another_gid_hash_expiry_or_key_does_not_verify() {
        let text = key().mint(GID, &HASH, EXPIRY);
        let other_key = PlanMacKey::generate().unwrap();
        let other_gid = GID.replace("ab", "ac");
        assert_eq!(key().verify(&other_gid, &text, 0), Err(PlanMacError::Mismatch));
        assert_eq!(key().verify(GID, &text.replacen("07", "08", 1), 0), Err(PlanMacError::Mismatch));
        assert_eq!(
            key().verify(GID, &text.replace("1800000000", "1900000000"), 0),
            Err(PlanMacError::Mismatch)
        );
        assert_eq!(other_key.verify(GID, &text, 0), Err(PlanMacError::Mismatch));
    }

    #[test]
    fn what_is_malformed_is_said_to_be_so() {
        let text = key().mint(GID, &HASH, EXPIRY);
        let (cut, long, v2) = (&text[..text.len() - 2], format!("{text}.x"), text.replacen("v1", "v2", 1));
        let wordy = text.replace("1800000000", "tomorrow");
        for bad in ["", "v1", "v1...", cut, &long, &v2, &wordy] {
            assert_eq!(key().verify(GID, bad, 0), Err(PlanMacError::Malformed), "{bad}");
        }
    }

    #[test]
    fn a_key_file_is_private_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys/plan-mac");
        let written = PlanMacKey::generate().unwrap();
        written.write_file(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let text = PlanMacKey::from_file(&path).unwrap().mint(GID, &HASH, EXPIRY);
        assert_eq!(text, written.mint(GID, &HASH, EXPIRY));
        assert!(matches!(key().write_file(&path), Err(PlanMacKeyError::File { .. })));
    }

    #[test]
    fn a_key_of_another_length_is_none_and_the_key_is_never_printed() {
        assert!(matches!(PlanMacKey::from_hex("0b"), Err(PlanMacKeyError::Malformed)));
        assert_eq!(format!("{:?}", key()), "PlanMacKey(secret)");
    }

    #[test]
    fn a_derived_key_is_of_one_purpose_and_one_key() {
        assert_eq!(key().derive("forms"), key().derive("forms"), "another process has the same");
        assert_ne!(key().derive("forms"), key().derive("others"));
        assert_ne!(key().derive("forms"), PlanMacKey::generate().unwrap().derive("forms"));
    }
}
