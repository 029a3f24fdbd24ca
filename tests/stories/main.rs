//! Stories of the whole system: real processes, the real DTM server, and calls that break on purpose.
mod stage;

mod attacks;
mod cancelling;
mod crashes;
mod every_step;
mod hanging;
mod in_doubt;
mod outcomes;
mod reading;
mod repeats;
mod resolution;
mod starting;

mod zz_end;
