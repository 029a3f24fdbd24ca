//! The invariants over read RPCs, history, DTM and PSP.
