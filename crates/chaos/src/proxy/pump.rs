//! Carries bytes from one end of a connection to the other, in one direction, through the weather.
use super::Forecast;
use crate::draw::Draw;
use crate::fault::{Direction, Weather};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// Read at once.
const CHUNK: usize = 16 * 1024;
/// Chunks under way; a sender that is faster waits, as it would for a full buffer.
const UNDER_WAY: usize = 64;
/// Of the slowest weather.
const BYTE_INTERVAL: Duration = Duration::from_secs(1);

/// One direction of a connection.
pub(super) struct Pump {
    direction: Direction,
    forecast: watch::Receiver<Forecast>,
    draw: Draw,
}

/// Bytes that arrive at this time.
type Chunk = (Instant, Vec<u8>);

impl Pump {
    pub(super) fn requests(forecast: watch::Receiver<Forecast>, draw: Draw) -> Pump {
        Pump { direction: Direction::Requests, forecast, draw }
    }

    pub(super) fn answers(forecast: watch::Receiver<Forecast>, draw: Draw) -> Pump {
        Pump { direction: Direction::Answers, forecast, draw }
    }

    /// Carries until the sender has ended, which the receiver then learns; an error when the connection is to break.
    pub(super) async fn run(self, from: ReadHalf<'_>, to: WriteHalf<'_>) -> io::Result<()> {
        let (sender, receiver) = mpsc::channel(UNDER_WAY);
        let forecast = self.forecast.clone();
        tokio::try_join!(read(from, forecast, sender), self.write(to, receiver))?;
        Ok(())
    }

    async fn write(mut self, mut to: WriteHalf<'_>, mut chunks: mpsc::Receiver<Chunk>) -> io::Result<()> {
        while let Some((due, bytes)) = chunks.recv().await {
            tokio::time::sleep_until(due).await;
            self.deliver(&mut to, &bytes).await?;
        }
        to.shutdown().await
    }

    async fn deliver(&mut self, to: &mut WriteHalf<'_>, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let now = *self.forecast.borrow_and_update();
            match now.weather {
                Weather::Fair | Weather::Delay { .. } | Weather::Twice { .. } | Weather::HalfOpen => {
                    to.write_all(rest).await?;
                    return Ok(());
                }
                Weather::Loss { percent } if self.draw.below(100) < percent => return Err(broken()),
                Weather::Loss { .. } => {
                    to.write_all(rest).await?;
                    return Ok(());
                }
                Weather::Reset => {
                    to.write_all(&rest[..rest.len() / 2]).await?;
                    return Err(broken());
                }
                Weather::OneWay { silent } if silent == self.direction => {
                    self.forecast.changed().await.map_err(|_| broken())?;
                }
                Weather::OneWay { .. } => {
                    to.write_all(rest).await?;
                    return Ok(());
                }
                Weather::Slow => {
                    to.write_all(&rest[..1]).await?;
                    rest = &rest[1..];
                    tokio::time::timeout(BYTE_INTERVAL, self.forecast.changed()).await.ok();
                }
            }
        }
        Ok(())
    }
}

async fn read(
    mut from: ReadHalf<'_>,
    forecast: watch::Receiver<Forecast>,
    chunks: mpsc::Sender<Chunk>,
) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        let late = match forecast.borrow().weather {
            Weather::Delay { ms } => Duration::from_millis(ms),
            Weather::Fair
            | Weather::Loss { .. }
            | Weather::Reset
            | Weather::HalfOpen
            | Weather::Twice { .. }
            | Weather::OneWay { .. }
            | Weather::Slow => Duration::ZERO,
        };
        // Nobody takes it: the writer has failed, and says so itself.
        if chunks.send((Instant::now() + late, buffer[..length].to_vec())).await.is_err() {
            return Ok(());
        }
    }
}

fn broken() -> io::Error {
    io::Error::from(io::ErrorKind::ConnectionReset)
}
