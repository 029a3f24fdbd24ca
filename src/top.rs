//! `amends top`: the whole system on one screen, live. This file asks and redraws; what is told is in `board` and
//! `text`, how it is drawn in `screen`, what keys do in `view`.
mod ansi;
mod board;
mod keys;
mod news;
mod rates;
mod screen;
mod spread;
mod text;
mod view;

use crate::connect::{Connection, Target};
use crate::exit::Exit;
use crate::output::{Format, Paint, print_json, print_text};
use amends_proto::amends::v1::StatsRequest;
use amends_proto::amends::v1::operations_client::OperationsClient;
use anyhow::Context as _;
use board::Board;
use chrono::Utc;
use ratatui::DefaultTerminal;
use rates::{Rates, Trend};
use std::io::IsTerminal as _;
use std::time::Duration;
use tokio::time::Instant;
use view::{Next, View};

/// Shows the whole system live: what is open, rates, lanes, who is needed, what ended
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Top {
    /// Print it once and end, as without a terminal or with --output json
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    target: Target,
}

/// Rates need two counts, and there is a new one every five seconds, later on a busy machine; whoever gets none by then does
/// without.
const RATES_LIMIT: Duration = Duration::from_secs(15);
const RATES_PAUSE: Duration = Duration::from_millis(250);

const HELP: &str = "Keys: q ends · p pauses, p again goes on · arrows choose, Enter shows the chosen one, Esc goes back\n\n\
    JSON has what began and ended in a second under `rates`: that takes two counts, and so about five seconds\n\n\
    Example:\n  amends top --once --output json";

impl Top {
    /// Runs the verb.
    pub async fn run(self, format: Format) -> anyhow::Result<Exit> {
        let on_terminal = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
        match format {
            Format::Text if on_terminal && !self.once => self.live().await,
            Format::Text | Format::Json => self.print(format).await,
        }
    }

    async fn print(self, format: Format) -> anyhow::Result<Exit> {
        let connection = self.target.connect().await?;
        match format {
            Format::Json => {
                let rates = measured(connection.clone()).await.context("top")?;
                let board = Board::fetch(connection).await.context("top")?;
                print_json(&board.json(rates, &self.target.target)?)?;
            }
            Format::Text => {
                let board = Board::fetch(connection).await.context("top")?;
                print_text(&text::page(&board, None, &self.target.target, Paint::detect()))?;
            }
        }
        Ok(Exit::Ok)
    }

    /// Until somebody has seen enough. The terminal is as before when this ends, also by a panic.
    async fn live(self) -> anyhow::Result<Exit> {
        let mut terminal = ratatui::try_init().context("the terminal cannot be drawn on")?;
        let ended = self.follow(&mut terminal).await;
        ratatui::try_restore().context("the terminal could not be put back")?;
        ended.map(|()| Exit::Ok)
    }

    async fn follow(self, terminal: &mut DefaultTerminal) -> anyhow::Result<()> {
        let mut view = View::new(self.target.target.clone());
        let (mut news, asked) = news::begin(self.target);
        let mut keys = keys::read();
        let ended = amends_serve::shutdown::signal();
        tokio::pin!(ended);
        loop {
            terminal.draw(|frame| screen::draw(frame, &view, Utc::now())).context("draw")?;
            let next = tokio::select! {
                told = news.recv() => match told {
                    Some(told) => {
                        view.hear(told, Utc::now());
                        Next::GoOn
                    }
                    None => Next::End,
                },
                event = keys.recv() => match event {
                    Some(event) => view.press(&event),
                    // Nobody is at the terminal any more.
                    None => Next::End,
                },
                () = &mut ended => Next::End,
            };
            match next {
                Next::GoOn => {}
                Next::Ask(wanted) => {
                    asked.send_replace(wanted);
                }
                Next::End => return Ok(()),
            }
        }
    }
}

/// What begins and ends in a second, as soon as there are two counts; none = there was no second one in time.
async fn measured(connection: Connection) -> Result<Option<Rates>, tonic::Status> {
    let mut client = OperationsClient::new(connection);
    let mut trend = Trend::default();
    let deadline = Instant::now() + RATES_LIMIT;
    loop {
        trend.add(&client.stats(StatsRequest {}).await?.into_inner());
        let rates = trend.now();
        if rates.is_some() || Instant::now() >= deadline {
            return Ok(rates);
        }
        tokio::time::sleep(RATES_PAUSE).await;
    }
}
