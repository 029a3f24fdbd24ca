//! Where in a trace the running task is, so that what it calls stands below it. Knows no span.

use tokio::task::futures::TaskLocalFuture;
use tonic::metadata::{MetadataMap, MetadataValue};

use super::context::{HEADER, SpanContext};

tokio::task_local! {
    static CURRENT: Option<SpanContext>;
}

/// Where the running task is; `None` = in no trace.
#[must_use]
pub fn current() -> Option<SpanContext> {
    CURRENT.try_with(|context| *context).ok().flatten()
}

/// Does `work` there.
pub fn within<F: Future>(context: Option<SpanContext>, work: F) -> TaskLocalFuture<Option<SpanContext>, F> {
    CURRENT.scope(context, work)
}

/// Takes the place of the running task along: for work that goes on in a task of its own.
pub fn carried<F: Future>(work: F) -> TaskLocalFuture<Option<SpanContext>, F> {
    within(current(), work)
}

/// Tells whoever is called with this metadata where in a trace that is.
pub fn tell(metadata: &mut MetadataMap, context: Option<SpanContext>) {
    if let Some(context) = context
        && let Ok(value) = MetadataValue::try_from(context.to_string())
    {
        metadata.insert(HEADER, value);
    }
}
