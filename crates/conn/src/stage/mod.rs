//! Stages: each takes a conn and gives a new one around it.

mod crlf;
mod delay;
mod rate;
mod tap;
mod telnet;

pub use crlf::Crlf;
pub use delay::Delay;
pub use rate::Rate;
pub use tap::{Heading, Tap, Transcript};
pub use telnet::Telnet;
