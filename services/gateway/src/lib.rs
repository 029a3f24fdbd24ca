//! The gateway participant of the payments domain.
