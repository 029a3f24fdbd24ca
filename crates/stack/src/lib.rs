//! Starts and stops the whole system as processes on free ports.
