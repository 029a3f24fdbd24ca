//! The hash that tells a repeated request from a forged one. Knows no row and no reply.

use prost::Message;
use sha2::{Digest as _, Sha256};

/// SHA-256 of the protobuf encoding, which is deterministic here: no branch message has a map.
pub(crate) fn request_hash(body: &impl Message) -> Vec<u8> {
    Sha256::digest(body.encode_to_vec()).to_vec()
}

/// A key for an advisory lock; two names may share one, they then only wait for each other.
pub(crate) fn lock_key(parts: &[&str]) -> i64 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    let mut key = [0; 8];
    key.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(key)
}
