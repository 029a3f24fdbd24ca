//! The points participant of the payments domain.
