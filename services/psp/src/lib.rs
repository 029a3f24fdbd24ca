//! The simulated payment service provider.
