//! Which coordinator a stack runs, and whether a DTM server runs with it. Knows how DTM's program is found, not how
//! any process is started.
use crate::StackError;
use amends_dtm::binary::{DtmBinary, LocateError, locate};
use std::fmt;
use std::path::Path;

/// Who shall drive new global transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CoordinatorChoice {
    /// DTM where its program is found or can be built, else the embedded one. With `CI=true` as `Dtm`.
    Auto,
    /// DTM; that it cannot be had is an error.
    Dtm,
    /// The orchestrator's own.
    Embedded,
}

/// Who drives new global transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coordinator {
    /// The DTM server.
    Dtm,
    /// The orchestrator itself.
    Embedded,
}

impl Coordinator {
    /// Its name, as the orchestrator has it too.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Coordinator::Dtm => "dtm",
            Coordinator::Embedded => "embedded",
        }
    }
}

impl fmt::Display for Coordinator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What was chosen.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) coordinator: Coordinator,
    /// The DTM server that runs: for new global transactions, or for those that an earlier run left with it.
    pub(crate) dtm: Option<DtmBinary>,
    /// What people should know of the choice, because they did not make it.
    pub(crate) notice: Option<String>,
}

/// Looks for DTM as far as the choice needs it. `bolt` is the file in which DTM keeps what it was given in this folder.
pub(crate) async fn choose(choice: CoordinatorChoice, bolt: &Path) -> Result<Chosen, StackError> {
    let wanted = match choice {
        CoordinatorChoice::Auto if is_ci() => CoordinatorChoice::Dtm,
        CoordinatorChoice::Auto | CoordinatorChoice::Dtm | CoordinatorChoice::Embedded => choice,
    };
    let used = bolt.is_file();
    if wanted == CoordinatorChoice::Embedded && !used {
        return Ok(Chosen { coordinator: Coordinator::Embedded, dtm: None, notice: None });
    }
    decide(wanted, used, located().await)
}

/// A missing DTM server would make tests prove less than they say.
fn is_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}

fn decide(
    choice: CoordinatorChoice,
    used: bool,
    located: Result<DtmBinary, LocateError>,
) -> Result<Chosen, StackError> {
    let embedded = |dtm, notice| Ok(Chosen { coordinator: Coordinator::Embedded, dtm, notice });
    match (choice, located) {
        (CoordinatorChoice::Auto | CoordinatorChoice::Dtm, Ok(dtm)) => {
            Ok(Chosen { coordinator: Coordinator::Dtm, dtm: Some(dtm), notice: None })
        }
        (CoordinatorChoice::Embedded, Ok(dtm)) => embedded(
            Some(dtm),
            Some(
                "new global transactions run on the embedded coordinator; the DTM server runs too, because each \
                 stays with the coordinator it started on, and this folder has some that started on DTM"
                    .to_owned(),
            ),
        ),
        (CoordinatorChoice::Dtm, Err(why)) => Err(StackError::Dtm(why)),
        // Who names a program wants that one.
        (CoordinatorChoice::Auto, Err(why @ LocateError::NotAServer(_))) => Err(StackError::Dtm(why)),
        (CoordinatorChoice::Auto | CoordinatorChoice::Embedded, Err(why)) => embedded(None, Some(absence(&why, used))),
    }
}

fn absence(why: &LocateError, used: bool) -> String {
    let stays = "; what started on DTM in this folder waits until it is back";
    format!("running on the embedded coordinator: {why}{}", if used { stays } else { "" })
}

/// Finding the program may build it, which takes minutes and blocks.
async fn located() -> Result<DtmBinary, LocateError> {
    match tokio::task::spawn_blocking(locate).await {
        Ok(located) => located,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use CoordinatorChoice::{Auto, Dtm, Embedded};
    use std::path::PathBuf;

    fn there() -> Result<DtmBinary, LocateError> {
        Ok(DtmBinary { path: "dtm".into(), version: "v0".into() })
    }

    fn away() -> Result<DtmBinary, LocateError> {
        Err(LocateError::Nowhere { why: "no Go".into() })
    }

    fn lie() -> Result<DtmBinary, LocateError> {
        Err(LocateError::NotAServer(PathBuf::from("true")))
    }

    /// Coordinator, whether a DTM server runs, and whether there is a notice; none is an error.
    type Outcome = Option<(Coordinator, bool, bool)>;

    #[test]
    fn every_choice_is_answered() {
        const DTM: Outcome = Some((Coordinator::Dtm, true, false));
        let own = |dtm| Some((Coordinator::Embedded, dtm, true));
        type Found = fn() -> Result<DtmBinary, LocateError>;
        let cases: [(CoordinatorChoice, bool, Found, Outcome); 10] = [
            (Auto, false, there, DTM),
            (Auto, true, there, DTM),
            (Auto, false, away, own(false)),
            (Auto, true, away, own(false)),
            (Auto, false, lie, None),
            (Dtm, false, there, DTM),
            (Dtm, true, away, None),
            (Dtm, false, lie, None),
            (Embedded, true, there, own(true)),
            (Embedded, true, away, own(false)),
        ];
        for (choice, used, found, expected) in cases {
            let seen = decide(choice, used, found()).ok();
            let seen = seen.map(|it| (it.coordinator, it.dtm.is_some(), it.notice.is_some()));
            assert_eq!(seen, expected, "{choice:?}, used: {used}, {:?}", found());
        }
    }

    #[test]
    fn the_notice_says_why_and_what_waits() {
        let notice = |used| decide(Auto, used, away()).unwrap().notice.unwrap();
        assert!(notice(false).contains("embedded") && notice(false).contains("no Go"), "{}", notice(false));
        assert!(!notice(false).contains("waits") && notice(true).contains("waits"), "{}", notice(true));
    }

    #[tokio::test]
    async fn an_unused_folder_on_the_embedded_coordinator_looks_for_no_dtm() {
        let folder = tempfile::tempdir().unwrap();
        let chosen = choose(Embedded, &folder.path().join("dtm.bolt")).await.unwrap();
        assert_eq!((chosen.coordinator, chosen.dtm, chosen.notice), (Coordinator::Embedded, None, None));
    }
}
