//! `-L`: filters in Lua around a connection.
//!
//! An [`Engine`] is made once, with every script loaded and checked. It puts a stack of filters around a
//! conn ([`Engine::wrap`]) or around one that is still to be dialled ([`Engine::open`]), and gives the conn
//! on top of it together with a [`Driver`], a future that must be run beside the session: in it, and
//! nowhere else, that connection's Lua runs, and the transport is touched. All of it on one thread. Whatever
//! waits for a time waits on the engine's [`Clock`], which need not be the real one ([`Engine::load_on`]).

mod blame;
mod buffer;
mod bundled;
mod bytes_library;
mod bytes_text;
mod check;
mod clock;
mod closing;
mod code;
mod codec;
mod coding;
mod contract;
mod coroutine;
mod crypto;
mod dial;
mod driver;
mod duplex;
mod engine;
mod files;
mod find;
mod grace;
mod grants;
mod help;
mod holder;
mod job;
mod json;
mod ledger;
mod library;
mod link;
mod list;
mod native;
mod network;
mod opening;
mod options;
mod order;
mod owner;
mod patterns;
mod reference;
mod relaying;
mod renewal;
mod residents;
mod slice;
mod socket;
mod tls;
mod waiting;
mod watch;
mod wire;
mod work;

pub use bundled::BUNDLED;
pub use check::{Report, check};
pub use clock::Clock;
pub use code::{Failure, Fault};
pub use driver::Driver;
pub use engine::Engine;
pub use find::SearchPath;
pub use help::help;
pub use link::{Facts, Target};
pub use list::list;
pub use native::Log;
pub use network::{Network, Order, Pending};
pub use opening::{Opening, Step};
#[doc(hidden)]
pub use patterns::beside_lua_own;
pub use reference::{LIBRARY, page};
pub use renewal::Reload;
pub use residents::Residents;
pub use watch::Watch;
