//! Lets one process after another die at one of its points, and brings it back. Knows no load and no verdict.
use crate::provoke::{Deed, Desk, deed, make_up_histories};
use crate::tell;
use crate::victims::Victim;
use amends_stack::{Role, Stack, StackError};
use std::cell::Cell;
use std::path::Path;
use std::time::{Duration, Instant};

/// Under load every point is reached sooner than this, or not at all.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(10);
/// Before what provokes it is done once more.
const AGAIN: Duration = Duration::from_millis(300);

/// Who dies, and where they look for it.
pub struct Round<'r> {
    /// The system.
    pub stack: &'r Stack,
    /// Folder of the folders.
    pub points: &'r Path,
}

impl Round<'_> {
    /// Everybody dies and comes back, one after another. What is wrong, in words.
    pub async fn all_die(&self, victims: Vec<Victim>) -> Vec<String> {
        let (desk, mut wrong) = (Desk::at(self.stack), Vec::new());
        for victim in victims {
            let began = Instant::now();
            let died = self.dies(victim, &desk).await;
            let how = died.as_ref().err().map_or("hit", String::as_str);
            tell(&format!("{victim:40} {how}, {} ms", began.elapsed().as_millis()));
            wrong.extend(died.err().map(|error| format!("{victim}: {error}")));
        }
        wrong
    }

    async fn dies(&self, victim: Victim, desk: &Desk) -> Result<(), String> {
        let told = |error: StackError| error.to_string();
        let (folder, deed) = (victim.folder(self.points), deed(victim.point.place));
        if victim.is_at_start() {
            self.stack.kill9(victim.role).await.map_err(told)?;
        }
        if deed == Some(Deed::MakeUpHistories) {
            make_up_histories(self.stack).await;
        }
        victim.point.arm(&folder, 1).map_err(|error| error.to_string())?;
        if victim.is_at_start() {
            self.stack.launch(victim.role).await.map_err(told)?;
        }
        let Some(deed) = deed else { return self.dies_and_returns(victim).await };
        let over = Cell::new(false);
        let death = async {
            let died = self.dies_and_returns(victim).await;
            over.set(true);
            died
        };
        let provocation = async {
            while !over.get() {
                desk.does(deed, self.stack).await;
                tokio::time::sleep(AGAIN).await;
            }
        };
        let (died, ()) = tokio::join!(death, provocation);
        desk.undoes(deed).await;
        died
    }

    async fn dies_and_returns(&self, victim: Victim) -> Result<(), String> {
        let gone = tokio::time::timeout(PATIENCE, self.gone(victim.role)).await;
        let never = gone.is_err() && victim.point.disarm(&victim.folder(self.points));
        self.stack.restart(victim.role).await.map_err(|error| error.to_string())?;
        match (never, victim.has_died(self.points)) {
            (true, _) => Err(format!("nobody came by in {} s", PATIENCE.as_secs())),
            (false, false) => Err("it died, but not there".to_owned()),
            (false, true) => Ok(()),
        }
    }

    async fn gone(&self, role: Role) {
        while self.stack.pid(role).is_some() {
            tokio::time::sleep(LOOK).await;
        }
    }
}
