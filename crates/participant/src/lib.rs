//! Kit for service teams: branch guard, metadata, outcomes.
