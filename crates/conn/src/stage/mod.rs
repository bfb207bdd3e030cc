//! Stages: each takes a conn and gives a new one around it.

mod associate;
mod crlf;
mod delay;
mod rate;
mod tap;
mod telnet;

pub use associate::Associate;
pub use crlf::Crlf;
pub use delay::Delay;
pub use rate::Rate;
pub use tap::{Heading, Tap, Transcript};
pub use telnet::Telnet;
