//! Why no rule could be judged. A participant that breaks a rule is no error: that is what the kit is for.
use crate::hook::HookError;
use crate::template::TemplateError;

/// The kit cannot work with what it was given.
#[derive(Debug, thiserror::Error)]
pub enum ConformError {
    /// Not an address.
    #[error("target `{0}` is not HOST:PORT")]
    Target(String),
    /// Nobody listens there.
    #[error("nothing answers at {target}: {what}")]
    Unreachable {
        /// host:port.
        target: String,
        /// Why, for people.
        what: String,
    },
    /// The target does not say what its methods look like.
    #[error("{target} offers no reflection ({what}): switch it on there, or give its descriptors as a file")]
    NoReflection {
        /// host:port.
        target: String,
        /// What it answered.
        what: String,
    },
    /// The descriptors are damaged, or a file among them is missing.
    #[error("the descriptors cannot be used: {0}")]
    Descriptors(#[from] prost_reflect::DescriptorError),
    /// There is no such service.
    #[error("there is no service `{name}`; there are: {known}")]
    Service {
        /// Full name.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// There is no such method.
    #[error("`{service}` has no method `{name}`; it has: {known}")]
    Method {
        /// Full name of the service.
        service: String,
        /// Name of the method.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// A coordinator only makes unary calls.
    #[error("`{0}` streams; a branch method is unary")]
    Streaming(String),
    /// The payload has a form that nothing can be made of.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The payload is no request of the method.
    #[error("the payload is no {message}: {what}")]
    Misfit {
        /// Full name of the message.
        message: String,
        /// What does not fit.
        what: String,
    },
    /// A command that the caller gave did not do its work.
    #[error(transparent)]
    Hook(#[from] HookError),
}

impl ConformError {
    /// Whether the call of the kit was wrong, and not something that it met on the way.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            ConformError::Target(_)
            | ConformError::NoReflection { .. }
            | ConformError::Descriptors(_)
            | ConformError::Service { .. }
            | ConformError::Method { .. }
            | ConformError::Streaming(_)
            | ConformError::Template(_)
            | ConformError::Misfit { .. } => true,
            ConformError::Unreachable { .. } | ConformError::Hook(_) => false,
        }
    }
}
