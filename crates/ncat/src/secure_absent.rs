//! TLS where there is none: a build without it refuses the options before this is asked.

use conn::{Conn, Screen};
use gate::Gatekeeper;
use plan::Plan;
use tokio::time::Instant;

use crate::talk::Talk;

/// What secures the connections of a run: nothing.
pub(crate) struct Security;

/// Why a connection is not secure.
#[derive(Debug)]
pub(crate) struct Insecure {
    pub(crate) reason: String,
    pub(crate) more: Vec<String>,
    pub(crate) is_authentication: bool,
}

/// Why settings cannot be used.
pub(crate) struct Unusable {
    pub(crate) reason: String,
    pub(crate) more: Vec<String>,
}

impl Security {
    pub(crate) fn prepare(plan: &Plan, _gate: &Gatekeeper, _talk: &Talk) -> Result<Self, Unusable> {
        match (&plan.tls, &plan.proxy_tls) {
            (None, None) => Ok(Self),
            (None, Some(_)) => Err(Unusable {
                reason: "https:// proxies need TLS, which is not in this build".into(),
                more: Vec::new(),
            }),
            (Some(_), _) => {
                Err(Unusable { reason: "--ssl is not in this build".into(), more: Vec::new() })
            }
        }
    }

    pub(crate) fn is_wanted(&self) -> bool {
        false
    }

    #[cfg_attr(
        not(any(target_os = "linux", target_os = "android")),
        expect(dead_code, reason = "asked by datagram listeners")
    )]
    pub(crate) fn screen(&self) -> Result<Option<Box<dyn Screen>>, Insecure> {
        Ok(None)
    }

    pub(crate) fn renewal(&self, _plan: &Plan) -> Option<Box<dyn Fn() + Send>> {
        None
    }

    pub(crate) async fn connect(
        &self,
        conn: Conn,
        _host: Option<&str>,
        _started: Instant,
    ) -> Result<Conn, Insecure> {
        Ok(conn)
    }

    pub(crate) async fn connect_proxy(
        &self,
        conn: Conn,
        _host: &str,
        _started: Instant,
    ) -> Result<Conn, Insecure> {
        Ok(conn)
    }

    pub(crate) fn acceptor(&self) -> Acceptor {
        Acceptor
    }
}

/// Secures clients' connections: not at all.
pub(crate) struct Acceptor;

impl Acceptor {
    pub(crate) async fn accept(self, conn: Conn) -> Result<Conn, Insecure> {
        Ok(conn)
    }
}

/// Begins TLS on a connection that a filter has: not here.
#[cfg_attr(not(feature = "lua"), expect(dead_code, reason = "asked by filters"))]
pub(crate) async fn begin(
    _spec: &plan::TlsSpec,
    _listens: bool,
    _conn: Conn,
    _host: Option<&str>,
    _talk: &Talk,
    _deadline: Instant,
    _limit: std::time::Duration,
) -> Result<Conn, Insecure> {
    Err(Insecure {
        reason: "TLS is not in this build".into(),
        more: Vec::new(),
        is_authentication: false,
    })
}

/// Lines below an error of a session that TLS knows more about.
pub(crate) fn more(_error: &std::io::Error) -> Vec<String> {
    Vec::new()
}
