//! One attempt of an op: one call to its participant, recorded as begun where it takes long.
//! Must not know what an outcome leads to.

use super::super::lanes::{Answered, Attempt, branch_headers};
use super::Run;
use crate::plan::Mode;
use crate::trace;
use amends_dtm::Outcome;
use amends_serve::traces::{self, SpanContext};
use std::time::Duration;

/// An attempt that takes longer is recorded as begun before its outcome is known.
const SLOW_ATTEMPT: Duration = Duration::from_millis(250);

/// When an attempt began, and whether that is on record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begun {
    pub(super) time_us: i64,
    pub(super) durable: bool,
}

impl Run<'_> {
    pub(super) async fn call(&self, began: Begun) -> (Answered, bool) {
        let mut span = trace::attempt(&self.live.plan, self.at, self.attempt);
        let called = self.send(began, span.context()).await;
        trace::answered(&mut span, &called.0);
        called
    }

    /// `place` is where the participant stands in the trace.
    async fn send(&self, began: Begun, place: Option<SpanContext>) -> (Answered, bool) {
        let plan = &self.live.plan;
        let step = &plan.steps()[self.at.step];
        let Some(lane) = self.engine.lanes().get(&step.participant) else {
            let reason = format!("NOT_ALLOWED|participant {} is not configured", step.participant);
            return (Answered { outcome: Outcome::Unknown, code: "UNAVAILABLE", reason }, began.durable);
        };
        let mut headers = branch_headers(
            plan.gid().as_str(),
            match plan.mode() {
                Mode::Tcc => "tcc",
                Mode::Saga | Mode::Unspecified => "saga",
            },
            plan.branch_id(self.at.step).as_str(),
            self.at.op.as_str(),
            &self.live.mac,
        );
        traces::tell(&mut headers, place);
        let timeout = self.retry.attempt_timeout;
        let method = plan.method(self.at);
        let (op, payload) = (self.at.op, step.payload.clone());
        let call = lane.call(Attempt { op, method, payload, headers, timeout });
        tokio::pin!(call);
        if began.durable {
            return (call.await, true);
        }
        tokio::select! {
            answered = &mut call => (answered, false),
            () = tokio::time::sleep(SLOW_ATTEMPT) => {
                let recorded = self.engine.record(self.live, |_| vec![self.started(began.time_us)]).await.is_ok();
                (call.await, recorded)
            }
        }
    }
}
