//! Who may act on an item in doubt (payments-domain §10). Pure: knows no clock, no store, no wire. A lease has a number
//! that only rises; an act names it, and one that is not the newest, or whose time is over, is lost.

use amends_participant::{Reason, Refusal};

/// Longest lease, and the one that is given where none is asked for.
pub const LONGEST_S: i32 = 300;

/// The lease of an item as its row has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease<'a> {
    /// Who has it; empty = nobody.
    pub holder: &'a str,
    /// Number of the newest one.
    pub token: i64,
    /// Until when, unix microseconds.
    pub until_us: i64,
}

impl Lease<'_> {
    /// Whether somebody has it now.
    #[must_use]
    pub fn is_held(&self, now_us: i64) -> bool {
        !self.holder.is_empty() && now_us < self.until_us
    }

    /// The number of the lease that `caller` gets. A holder who asks again gets a new one, and the old one is lost.
    pub fn claim(&self, caller: &str, now_us: i64) -> Result<i64, Refusal> {
        if self.is_held(now_us) && self.holder != caller {
            let left_s = (self.until_us - now_us) / 1_000_000 + 1;
            let text = format!("{} has it for another {left_s} s", self.holder);
            let refusal = Refusal::new(Reason::LeaseHeld, text);
            return Err(refusal.with("holder", self.holder).with("held_until_us", self.until_us.to_string()));
        }
        Ok(self.token.saturating_add(1))
    }

    /// Whether `caller` may act under `token`.
    pub fn check(&self, caller: &str, token: i64, now_us: i64) -> Result<(), Refusal> {
        let lost = |text: &str| Err(Refusal::new(Reason::LeaseLost, text));
        if token != self.token {
            return lost("somebody has claimed it since");
        }
        if self.holder != caller {
            return lost("the claim is not the caller's, or it was given back");
        }
        if now_us >= self.until_us {
            return lost("the claim's time is over");
        }
        Ok(())
    }
}

/// Checks how long a lease is asked for, in seconds; 0 = the longest.
pub fn ttl_us(ttl_s: i32) -> Result<i64, Refusal> {
    match ttl_s {
        0 => Ok(i64::from(LONGEST_S) * 1_000_000),
        1..=LONGEST_S => Ok(i64::from(ttl_s) * 1_000_000),
        _ => Err(Refusal::new(Reason::InvalidRequest, "ttl_s: must be 0 to 300")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000_000;

    fn lease(holder: &str, left_us: i64) -> Lease<'_> {
        Lease { holder, token: 7, until_us: NOW + left_us }
    }

    #[test]
    fn a_claim_gets_a_higher_number_unless_somebody_else_has_it() {
        for (held, caller, wanted) in [
            (lease("", 0), "alice", Ok(8)),
            (lease("alice", 5_000_000), "alice", Ok(8)),
            (lease("alice", 0), "bob", Ok(8)),
            (lease("alice", -1), "bob", Ok(8)),
            (lease("alice", 1), "bob", Err(Reason::LeaseHeld)),
        ] {
            assert_eq!(held.claim(caller, NOW).map_err(|refusal| refusal.reason), wanted, "{held:?}");
        }
        let text = lease("alice", 5_000_000).claim("bob", NOW).unwrap_err().to_string();
        assert_eq!(text, "LEASE_HELD|alice has it for another 6 s");
    }

    #[test]
    fn only_the_newest_claim_within_its_time_acts() {
        assert!(lease("alice", 1).check("alice", 7, NOW).is_ok());
        for (held, caller, token) in [
            (lease("alice", 1), "alice", 6),
            (lease("alice", 1), "bob", 7),
            (lease("alice", 0), "alice", 7),
            (lease("", 1), "alice", 7),
        ] {
            let lost = held.check(caller, token, NOW).unwrap_err();
            assert_eq!(lost.reason, Reason::LeaseLost, "{held:?} {caller} {token}");
        }
    }

    #[test]
    fn a_lease_lasts_at_most_five_minutes() {
        assert_eq!((ttl_us(0).ok(), ttl_us(1).ok()), (Some(300_000_000), Some(1_000_000)));
        assert!(ttl_us(-1).is_err() && ttl_us(301).is_err());
    }
}
