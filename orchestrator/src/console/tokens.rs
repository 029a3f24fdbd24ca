//! What a form must bring back to prove that an orchestrator of ours made it for this visitor: a signed text. All replicas
//! have the same key, so that a form of one may be sent to another. Must not know what a form does.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Bytes of the key, and of a visitor's number.
const BYTES: usize = 32;

/// Makes tokens, and knows its own again.
pub struct Tokens {
    key: [u8; BYTES],
}

impl Tokens {
    /// With a key that only replicas of this orchestrator have.
    #[must_use]
    pub fn new(key: [u8; BYTES]) -> Self {
        Self { key }
    }

    /// The token of a visitor's forms.
    #[must_use]
    pub fn of(&self, visitor: &str) -> String {
        hex::encode(self.mac(visitor).finalize().into_bytes())
    }

    /// Whether the token was made for this visitor. Takes as long for a wrong one as for a right one.
    #[must_use]
    pub fn fits(&self, visitor: &str, token: &str) -> bool {
        hex::decode(token).is_ok_and(|token| self.mac(visitor).verify_slice(&token).is_ok())
    }

    fn mac(&self, visitor: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(visitor.as_bytes());
        mac
    }
}

/// A number for a new visitor.
///
/// # Errors
/// Where the system gives no randomness.
pub fn new_visitor() -> Result<String, getrandom::Error> {
    random().map(hex::encode)
}

fn random() -> Result<[u8; BYTES], getrandom::Error> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_of_one_visitor_and_one_key() {
        let (here, beside, there) = (Tokens::new([7; 32]), Tokens::new([7; 32]), Tokens::new([8; 32]));
        let (ann, bob) = (new_visitor().unwrap(), new_visitor().unwrap());
        let token = here.of(&ann);
        assert!(here.fits(&ann, &token) && beside.fits(&ann, &token));
        assert!(!here.fits(&bob, &token));
        assert!(!there.fits(&ann, &token));
        for wrong in ["", "zz", &token[1..], &token.replace(|c: char| c.is_ascii_digit(), "a")] {
            assert!(!here.fits(&ann, wrong), "{wrong}");
        }
    }
}
