//! The frame of every process: flags, telemetry, metrics, traces, shutdown, listener, gRPC server with health and drain, and the
//! database a process keeps. Knows no service and no global transaction; it is not a home for helpers.

mod envelope;
pub mod grpc;
pub mod http;
pub mod listener;
pub mod metrics;
pub mod outage;
mod process_args;
pub mod shutdown;
pub mod store;
pub mod telemetry;
pub mod traces;

pub use process_args::ProcessArgs;
