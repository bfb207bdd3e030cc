//! The relay against a model: random scripts and rules, every ending, on a clock that stands still.

mod model;
mod random;
