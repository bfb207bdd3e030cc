//! Scripted conns, faults and real peers for tests.

pub mod script;
