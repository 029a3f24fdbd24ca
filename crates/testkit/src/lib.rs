//! Scripted participants and the story language for tests.
