//! The flags about branch calls that every participant has. Knows no other flag.

use std::path::PathBuf;

use amends_dtm::plan_mac::PlanMacKey;
use clap::{Args, ValueEnum};

use crate::branch::BranchAuth;

/// Whether branch calls must carry a plan MAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum BranchAuthMode {
    /// A call without a valid `pay-plan-mac` has no effect.
    #[default]
    Required,
    /// Everyone who reaches the port may call: private networks and tests only.
    Off,
}

/// Flags about branch calls.
#[derive(Debug, Clone, Default, Args)]
pub struct BranchArgs {
    /// Whether branch calls must carry a valid plan MAC
    #[arg(long, env = "AMENDS_BRANCH_AUTH", value_enum, default_value = "required")]
    pub branch_auth: BranchAuthMode,
    /// File with the key of the plan MAC: 32 bytes in hex, mode 0600
    #[arg(long, env = "AMENDS_PLAN_MAC_KEY_FILE")]
    pub plan_mac_key_file: Option<PathBuf>,
}

/// Branch calls cannot be authenticated.
#[derive(Debug, thiserror::Error)]
pub enum BranchArgsError {
    /// No key was named.
    #[error("--branch-auth required needs a key: set AMENDS_PLAN_MAC_KEY_FILE (or --branch-auth off)")]
    NoKey,
    /// The key cannot be used.
    #[error("plan MAC key file {path}")]
    Key {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: amends_dtm::plan_mac::PlanMacKeyError,
    },
}

impl BranchArgs {
    /// Reads the key, if one is needed.
    pub fn auth(&self) -> Result<BranchAuth, BranchArgsError> {
        match (self.branch_auth, &self.plan_mac_key_file) {
            (BranchAuthMode::Off, _) => Ok(BranchAuth::Off),
            (BranchAuthMode::Required, None) => Err(BranchArgsError::NoKey),
            (BranchAuthMode::Required, Some(path)) => PlanMacKey::from_file(path)
                .map(BranchAuth::Required)
                .map_err(|source| BranchArgsError::Key { path: path.clone(), source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BranchArgs, BranchArgsError, BranchAuthMode};
    use crate::branch::BranchAuth;
    use amends_dtm::plan_mac::PlanMacKey;

    #[test]
    fn a_key_is_needed_unless_it_was_switched_off() {
        let required = BranchArgs::default();
        assert_eq!(required.branch_auth, BranchAuthMode::Required);
        assert!(matches!(required.auth(), Err(BranchArgsError::NoKey)));
        let off = BranchArgs { branch_auth: BranchAuthMode::Off, ..BranchArgs::default() };
        assert!(matches!(off.auth(), Ok(BranchAuth::Off)));
    }

    #[test]
    fn the_key_comes_from_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan-mac");
        let args = BranchArgs { plan_mac_key_file: Some(path.clone()), ..BranchArgs::default() };
        assert!(matches!(args.auth(), Err(BranchArgsError::Key { .. })));
        PlanMacKey::generate().unwrap().write_file(&path).unwrap();
        assert!(matches!(args.auth(), Ok(BranchAuth::Required(_))));
    }
}
