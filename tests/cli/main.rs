//! The command line against a whole running system: real processes, the real DTM server, exit codes and JSON.
mod system;
mod verbs;
