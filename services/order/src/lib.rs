//! The order participant of the payments domain.
