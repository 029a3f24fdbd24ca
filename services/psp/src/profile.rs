//! The seeded profile: which share of calls behaves how, and the draw that picks, independent of the order in which
//! calls arrive. Pure.

use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::behaviour::Behaviour;
use crate::op::Op;

/// Shares of behaviours; what is left over behaves well.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Profile {
    shares: Vec<(f64, Behaviour)>,
}

/// Why a profile could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// An entry is not `behaviour=share`.
    #[error("`{0}` is not `behaviour=share` with a share between 0 and 1")]
    Entry(String),
    /// The shares are more than everything.
    #[error("the shares add up to more than 1")]
    TooMuch,
}

impl FromStr for Profile {
    type Err = ProfileError;

    fn from_str(text: &str) -> Result<Profile, ProfileError> {
        let shares = text
            .split(',')
            .filter(|entry| !entry.trim().is_empty())
            .map(|entry| share(entry.trim()).ok_or_else(|| ProfileError::Entry(entry.to_owned())))
            .collect::<Result<Vec<_>, _>>()?;
        let total: f64 = shares.iter().map(|(share, _)| share).sum();
        if total > 1.0 + 1e-9 {
            return Err(ProfileError::TooMuch);
        }
        Ok(Profile { shares })
    }
}

fn share(entry: &str) -> Option<(f64, Behaviour)> {
    let (name, share) = entry.rsplit_once('=')?;
    let share: f64 = share.trim().parse().ok().filter(|share| (0.0..=1.0).contains(share))?;
    Some((share, Behaviour::parse(name.trim()).ok()?))
}

impl Profile {
    /// Whether every call behaves well.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shares.is_empty()
    }

    /// The behaviour of the `n`-th call of `op` for `request_id`.
    #[must_use]
    pub fn draw(&self, seed: u64, request_id: &str, op: Op, n: u32) -> Behaviour {
        let mut place = draw(seed, request_id, op, n);
        for (share, behaviour) in &self.shares {
            if place < *share {
                return if behaviour.suits(op) { behaviour.clone() } else { Behaviour::Ok };
            }
            place -= share;
        }
        Behaviour::Ok
    }
}

/// A number in 0..1 from SHA-256(seed ‖ request id ‖ op ‖ n).
fn draw(seed: u64, request_id: &str, op: Op, n: u32) -> f64 {
    let digest = Sha256::new()
        .chain_update(seed.to_be_bytes())
        .chain_update(request_id)
        .chain_update(op.as_str())
        .chain_update(n.to_be_bytes())
        .finalize();
    let mut head = [0_u8; 4];
    head.copy_from_slice(&digest[..4]);
    f64::from(u32::from_be_bytes(head)) / (f64::from(u32::MAX) + 1.0)
}

/// First 6 base-32 letters of SHA-256(seed ‖ request id).
#[must_use]
pub fn auth_code(seed: u64, request_id: &str) -> String {
    let digest = Sha256::new().chain_update(seed.to_be_bytes()).chain_update(request_id).finalize();
    let mut letters = data_encoding::BASE32_NOPAD.encode(&digest[..5]);
    letters.truncate(6);
    letters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_call_always_draws_the_same() {
        let profile: Profile = "decline=0.3,slow(5ms)=0.3".parse().unwrap();
        for n in 0..50 {
            let id = format!("request-{n}");
            let first = profile.draw(7, &id, Op::Sale, 1);
            assert_eq!(profile.draw(7, &id, Op::Sale, 1), first);
        }
    }

    #[test]
    fn shares_come_out_about_right_and_differ_by_seed() {
        let profile: Profile = "decline=0.25".parse().unwrap();
        let declined = |seed: u64| -> Vec<bool> {
            (0..2000)
                .map(|n| profile.draw(seed, &format!("r{n}"), Op::Authorize, 1) != Behaviour::Ok)
                .collect()
        };
        let hits = declined(1).into_iter().filter(|hit| *hit).count();
        assert!((400..600).contains(&hits), "{hits}");
        assert_ne!(declined(1), declined(2));
    }

    #[test]
    fn only_payments_are_declined_by_a_profile() {
        let profile: Profile = "decline=1".parse().unwrap();
        assert_eq!(profile.draw(1, "r", Op::Void, 1), Behaviour::Ok);
        assert_ne!(profile.draw(1, "r", Op::Sale, 1), Behaviour::Ok);
    }

    #[test]
    fn bad_profiles_are_named() {
        assert_eq!("decline".parse::<Profile>(), Err(ProfileError::Entry("decline".into())));
        assert_eq!("decline=2".parse::<Profile>(), Err(ProfileError::Entry("decline=2".into())));
        assert_eq!("decline=0.6,ok=0.6".parse::<Profile>(), Err(ProfileError::TooMuch));
        assert!("".parse::<Profile>().unwrap().is_empty());
    }

    #[test]
    fn an_auth_code_is_six_base_32_letters_fixed_by_seed_and_request() {
        let code = auth_code(1, "0190-a");
        assert_eq!(code.len(), 6);
        assert!(code.bytes().all(|b| b.is_ascii_uppercase() || (b'2'..=b'7').contains(&b)));
        assert_eq!(code, auth_code(1, "0190-a"));
        assert_ne!(code, auth_code(2, "0190-a"));
    }
}
