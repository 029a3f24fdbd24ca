//! Plans, durable history, engine and relay of global transactions.
