//! The frame of a process: configuration, telemetry, health, listener, drain.
