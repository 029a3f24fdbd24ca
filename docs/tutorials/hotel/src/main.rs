//! The hotel as a process.
use amends_tutorial_hotel::{Flags, run};
use clap::Parser as _;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    run(Flags::parse(), amends_serve::shutdown::signal()).await
}
