//! The coordinator inside the engine: it decides nothing of its own, because history decides and the engine drives.
//! And the stand-in for a DTM that is not configured. Knows no plan and no store.

use super::{Coordinator, CoordinatorError, DTM, EMBEDDED, Reply, View};
use crate::plan::Plan;
use futures::FutureExt as _;

/// The engine itself (design.md §2, Two coordinators). History is its only book, so there is nothing to register, to
/// wake or to ask.
#[derive(Debug, Clone, Copy)]
pub struct Embedded;

impl Coordinator for Embedded {
    fn name(&self) -> &'static str {
        EMBEDDED
    }

    fn calls(&self) -> bool {
        false
    }

    fn register<'a>(&'a self, _plan: &'a Plan) -> Reply<'a, ()> {
        async { Ok(()) }.boxed()
    }

    fn submit<'a>(&'a self, _plan: &'a Plan) -> Reply<'a, ()> {
        async { Ok(()) }.boxed()
    }

    fn abort<'a>(&'a self, _plan: &'a Plan, _reason: &'a str) -> Reply<'a, ()> {
        async { Ok(()) }.boxed()
    }

    fn nudge_all(&self) -> Reply<'_, ()> {
        async { Ok(()) }.boxed()
    }

    fn view<'a>(&'a self, _gid: &'a str) -> Reply<'a, Option<View>> {
        async { Ok(None) }.boxed()
    }

    fn version(&self) -> Reply<'_, String> {
        async { Ok(env!("CARGO_PKG_VERSION").to_owned()) }.boxed()
    }
}

/// No DTM is configured. What began on one waits for it, as it waits for one that is down: nobody here can know what
/// it decided.
#[derive(Debug, Clone, Copy)]
pub struct AbsentDtm;

impl AbsentDtm {
    fn away<T: Send + 'static>() -> Reply<'static, T> {
        async { Err(CoordinatorError::Unknown("no DTM is configured".to_owned())) }.boxed()
    }
}

impl Coordinator for AbsentDtm {
    fn name(&self) -> &'static str {
        DTM
    }

    fn calls(&self) -> bool {
        true
    }

    fn register<'a>(&'a self, _plan: &'a Plan) -> Reply<'a, ()> {
        Self::away()
    }

    fn submit<'a>(&'a self, _plan: &'a Plan) -> Reply<'a, ()> {
        Self::away()
    }

    fn abort<'a>(&'a self, _plan: &'a Plan, _reason: &'a str) -> Reply<'a, ()> {
        Self::away()
    }

    fn nudge_all(&self) -> Reply<'_, ()> {
        Self::away()
    }

    fn view<'a>(&'a self, _gid: &'a str) -> Reply<'a, Option<View>> {
        Self::away()
    }

    fn version(&self) -> Reply<'_, String> {
        Self::away()
    }
}
