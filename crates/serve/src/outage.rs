//! Something that fails again and again for one cause: the log has its beginning and its end, not each time. Knows not
//! what fails.

use std::fmt::Display;

/// One thing that can fail for a while.
#[derive(Debug)]
pub struct Outage {
    what: &'static str,
    /// Failures since the beginning; 0 = all is well.
    met: u64,
}

impl Outage {
    /// All is well; `what` is what can be said as long as it is not.
    #[must_use]
    pub const fn of(what: &'static str) -> Self {
        Self { what, met: 0 }
    }

    /// It failed: told where it did not before.
    pub fn met(&mut self, error: &dyn Display) {
        self.met = self.met.saturating_add(1);
        if self.met == 1 {
            tracing::error!(%error, "{}", self.what);
        }
    }

    /// It did not fail: told where it did before.
    pub fn over(&mut self) {
        let met = std::mem::take(&mut self.met);
        if met > 0 {
            tracing::info!(failures = met, "over: {}", self.what);
        }
    }

    /// Either, by what came of it.
    pub fn note<T, E: Display>(&mut self, outcome: &Result<T, E>) {
        match outcome {
            Ok(_) => self.over(),
            Err(error) => self.met(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn its_beginning_and_its_end_are_told_once() {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber =
            tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
        tracing::subscriber::with_default(subscriber, || {
            let mut outage = Outage::of("no rows");
            outage.over();
            for _ in 0..3 {
                outage.note::<(), _>(&Err("disk"));
            }
            outage.note::<_, String>(&Ok(1));
            outage.over();
        });
        let told = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert_eq!(told.lines().count(), 2, "{told}");
        assert!(told.contains("no rows error=disk") && told.contains("over: no rows failures=3"), "{told}");
    }
}
