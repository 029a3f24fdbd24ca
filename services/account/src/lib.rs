//! The account participant of the payments domain.
