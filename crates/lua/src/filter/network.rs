//! What filters may want of the network beyond their own connection, and whoever sees to it.
//!
//! This crate opens nothing: the program does, with permits, and hands back conns.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use conn::Conn;
use plan::{TlsSpec, Transport};

use super::code::Failure;
use super::link::Target;

/// Something under way; dropped, it is given up.
pub type Pending<T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send>>;

/// A connection that a filter wants for itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// TCP, UDP or a Unix stream.
    pub transport: Transport,
    /// Name, address or path.
    pub host: String,
    /// 0 and unused for a path.
    pub port: u16,
    /// How to secure it, if at all.
    pub tls: Option<TlsSpec>,
    /// Longest time for all of it; as for the user's own connection when `None`.
    pub limit: Option<Duration>,
    /// Where to come from.
    pub bind: Option<Target>,
    /// By way of the proxies that the user named.
    pub inherits_proxy: bool,
}

/// Makes connections for filters. Whether the filter may have any is asked before.
pub trait Network: Send + Sync {
    /// Makes one.
    fn connect(&self, order: Order) -> Pending<Conn>;

    /// Every address of a name.
    fn resolve(&self, host: String) -> Pending<Vec<IpAddr>>;

    /// Begins TLS on a connection that is there; `listens`: as the server. `host` is whom it is with.
    fn secure(
        &self,
        conn: Conn,
        spec: TlsSpec,
        listens: bool,
        host: Option<String>,
    ) -> Pending<Conn>;
}
