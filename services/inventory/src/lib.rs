//! The inventory participant of the payments domain.
