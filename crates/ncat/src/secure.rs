//! TLS around connections: who begins it, how long it may take, what is said about it.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use conn::{Conn, Screen};
use gate::{Action, Gatekeeper};
use plan::{Mode, Plan, TlsSpec};
use proto::escape;
use serde_json::json;
use tls::{
    Certificate, Client, Cookies, Error, Facts, Notice, Secured, Server, SetupError, Waiting,
    Worker,
};
use tokio::time::{Instant, timeout_at};

use crate::starttls::Preface;
use crate::talk::{Talk, words};
use crate::{renewal, session_file};

/// What secures the connections of a run; nothing without `--ssl`.
pub(crate) struct Security {
    talk: Talk,
    limit: Duration,
    /// What servers are told before the handshake.
    preface: Option<Preface>,
    role: Role,
    /// For https proxies.
    proxies: Option<Client>,
}

enum Role {
    None,
    Client(Client),
    Server(renewal::Current),
}

/// Why a connection is not secure.
#[derive(Debug)]
pub(crate) struct Insecure {
    /// One line, without a full stop.
    pub(crate) reason: String,
    /// Lines below it.
    pub(crate) more: Vec<String>,
    /// It is about who the peer is.
    pub(crate) is_authentication: bool,
}

impl From<Error> for Insecure {
    fn from(error: Error) -> Self {
        let reason = match &error {
            Error::Io(error) => words(error),
            other => safe(&other.to_string()),
        };
        // Certificates have in them whatever their makers like.
        let mut more: Vec<_> = error.more().iter().map(|line| safe(line)).collect();
        // Only over datagrams is it the handshake that finds out.
        if let Error::Io(error) = &error {
            more.extend(crate::run::hint(error));
        }
        Self { reason, more, is_authentication: error.is_authentication() }
    }
}

/// Why settings, keys or certificates cannot be used; lines for standard error.
pub(crate) struct Unusable {
    pub(crate) reason: String,
    pub(crate) more: Vec<String>,
}

impl From<SetupError> for Unusable {
    fn from(error: SetupError) -> Self {
        let more = error.hint.iter().map(|hint| format!("hint: {hint}")).collect();
        Self { reason: error.to_string(), more }
    }
}

impl Security {
    /// Reads what the plan names, and makes a certificate where a listener has none.
    pub(crate) fn prepare(plan: &Plan, gate: &Gatekeeper, talk: &Talk) -> Result<Self, Unusable> {
        let role = match (&plan.tls, &plan.mode) {
            (None, _) => Role::None,
            (Some(spec), Mode::Connect(_) | Mode::Probe(_)) => {
                let resumption = spec.session.as_deref().map(|path| {
                    session_file::open(path, gate, talk)
                        .map_err(|reason| Unusable { reason, more: Vec::new() })
                });
                Role::Client(Client::new(spec, keylog(gate, spec)?, resumption.transpose()?)?)
            }
            (Some(spec), Mode::Listen(listen)) => {
                let secrets = keylog(gate, spec)?;
                if spec.certificate.is_none() {
                    tell_temporary(talk, spec);
                }
                let host = listen.host.as_deref().filter(|_| listen.vsock.is_none());
                // Who serves one client sees nobody come back.
                let server = Server::new(spec, host, secrets, listen.keep_open)?;
                tell_own(talk, &server);
                Role::Server(Arc::new(Mutex::new(Arc::new(server))))
            }
        };
        if plan.tls.is_some() {
            talk.debug(|| format!("TLS by {}", tls::library()));
        }
        let preface = plan.tls.as_ref().and_then(Preface::of);
        let proxies =
            plan.proxy_tls.as_ref().map(|spec| Client::new(spec, None, None)).transpose()?;
        Ok(Self { talk: talk.clone(), limit: plan.limits.connect_timeout, preface, role, proxies })
    }

    /// Whether clients are to be given a handshake.
    pub(crate) fn is_wanted(&self) -> bool {
        !matches!(self.role, Role::None)
    }

    /// What a listener for datagrams needs before its peers; nothing without DTLS.
    #[cfg_attr(
        not(any(target_os = "linux", target_os = "android")),
        expect(dead_code, reason = "asked by datagram listeners")
    )]
    pub(crate) fn screen(&self) -> Result<Option<Box<dyn Screen>>, Insecure> {
        match &self.role {
            Role::Server(_) => Ok(Some(Box::new(Cookies::new()?))),
            _ => Ok(None),
        }
    }

    /// What to do at SIGHUP, where there is something.
    pub(crate) fn renewal(&self, plan: &Plan) -> Option<Box<dyn Fn() + Send>> {
        let (Role::Server(server), Some(spec)) = (&self.role, &plan.tls) else { return None };
        let (server, spec, talk) = (Arc::clone(server), spec.clone(), self.talk.clone());
        renewal::is_wanted(plan)
            .then(|| Box::new(move || renewal::renew(&server, &spec, &talk)) as Box<_>)
    }

    /// Secures a connection we made, within the time for connecting; without TLS it is as it was.
    pub(crate) async fn connect(
        &self,
        conn: Conn,
        host: Option<&str>,
        started: Instant,
    ) -> Result<Conn, Insecure> {
        let Role::Client(client) = &self.role else { return Ok(conn) };
        let deadline = started + self.limit;
        let conn = match &self.preface {
            Some(preface) => preface.speak(conn, host, &self.talk, deadline, self.limit).await?,
            None => conn,
        };
        let tell = notices(&self.talk, &conn.info.peer);
        let waiting = client.begin(conn, host, tell)?;
        finish(waiting, self.talk.clone(), deadline, self.limit, false).await
    }

    /// Secures a connection to the proxy `host`.
    pub(crate) async fn connect_proxy(
        &self,
        conn: Conn,
        host: &str,
        started: Instant,
    ) -> Result<Conn, Insecure> {
        let Some(client) = &self.proxies else { return Ok(conn) };
        let tell = notices(&self.talk, &conn.info.peer);
        let waiting = client.begin(conn, Some(host), tell)?;
        finish(waiting, self.talk.clone(), started + self.limit, self.limit, false).await
    }

    /// What secures clients' connections. Independent of us, so that others are served meanwhile.
    pub(crate) fn acceptor(&self) -> Acceptor {
        let server = match &self.role {
            Role::Server(server) => Some(renewal::current(server)),
            _ => None,
        };
        Acceptor { server, talk: self.talk.clone(), limit: self.limit }
    }
}

/// Secures clients' connections; without TLS they are as they were.
pub(crate) struct Acceptor {
    server: Option<Arc<Server>>,
    talk: Talk,
    limit: Duration,
}

impl Acceptor {
    /// Secures one.
    pub(crate) async fn accept(self, conn: Conn) -> Result<Conn, Insecure> {
        let Some(server) = self.server else { return Ok(conn) };
        let tell = notices(&self.talk, &conn.info.peer);
        let waiting = server.begin(conn, tell)?;
        finish(waiting, self.talk, Instant::now() + self.limit, self.limit, true).await
    }
}

/// Begins TLS on a connection that a filter has, with settings of its own.
#[cfg_attr(not(feature = "lua"), expect(dead_code, reason = "asked by filters"))]
pub(crate) async fn begin(
    spec: &TlsSpec,
    listens: bool,
    conn: Conn,
    host: Option<&str>,
    talk: &Talk,
    deadline: Instant,
    limit: Duration,
) -> Result<Conn, Insecure> {
    let unusable = |error: SetupError| Insecure {
        reason: error.to_string(),
        more: Vec::new(),
        is_authentication: false,
    };
    let tell = notices(talk, &conn.info.peer);
    let waiting = if listens {
        Server::new(spec, None, None, false).map_err(unusable)?.begin(conn, tell)?
    } else {
        Client::new(spec, None, None).map_err(unusable)?.begin(conn, host, tell)?
    };
    finish(waiting, talk.clone(), deadline, limit, listens).await
}

/// Lines below an error of a session that TLS knows more about.
pub(crate) fn more(error: &std::io::Error) -> Vec<String> {
    let lines = Error::within(error).map(Error::more).unwrap_or_default();
    lines.iter().map(|line| safe(line)).collect()
}

async fn finish(
    waiting: Waiting,
    talk: Talk,
    deadline: Instant,
    limit: Duration,
    listens: bool,
) -> Result<Conn, Insecure> {
    let Ok(finished) = timeout_at(deadline, waiting.finish()).await else {
        let more = vec![
            format!("the TLS handshake was not done within {} s (-w)", limit.as_secs_f64()),
            "hint: a peer that does not speak TLS, and waits to be spoken to, looks like this"
                .into(),
        ];
        return Err(Insecure { reason: "TIMEOUT".into(), more, is_authentication: false });
    };
    let Secured { mut conn, facts } = finished?;
    tell_secured(&talk, &conn.info.peer, &facts, listens);
    conn.info.secured = variables(&facts);
    conn.info.tls = Some(Arc::new(in_words(&facts)));
    Ok(conn)
}

/// Says what is no error, at `-v`.
fn notices(talk: &Talk, peer: &str) -> impl Fn(Notice) + Send + Sync + 'static {
    let (talk, peer) = (talk.clone(), peer.to_owned());
    move |notice| match notice {
        Notice::Truncated => talk.truncated(&peer),
        Notice::KeysKept => talk.tls_refused(
            &peer,
            "keys",
            "asked for new TLS keys: the kernel goes on with the old ones",
        ),
        Notice::NoRenegotiation => talk.tls_refused(
            &peer,
            "renegotiation",
            "wanted to renegotiate: not while the kernel encrypts",
        ),
    }
}

/// The file for secrets, opened by explicit wish only.
fn keylog(gate: &Gatekeeper, spec: &TlsSpec) -> Result<Option<tls::Keylog>, Unusable> {
    let Some(path) = &spec.keylog else { return Ok(None) };
    let fail = |reason: String| Unusable {
        reason: format!("can't open {} for writing: {reason}", path.display()),
        more: Vec::new(),
    };
    gate.decide(Action::WriteFile(path.clone())).map_err(|no| fail(no.to_string()))?;
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    // Whoever reads it reads the sessions.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(|error| fail(words(&error)))?;
    let file: Mutex<File> = Mutex::new(file);
    Ok(Some(Arc::new(move |line: &str| {
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        // A session is worth more than the possibility to read along.
        let _ = file.write_all(format!("{line}\n").as_bytes());
    })))
}

/// Ncat's words, with the kind of key that it is here.
fn tell_temporary(talk: &Talk, spec: &TlsSpec) {
    let key = match spec.key_type {
        plan::KeyType::Ecdsa => "256-bit ECDSA",
        plan::KeyType::Rsa => "2048-bit RSA",
    };
    talk.verbose(|| {
        format!(
            "Generating a temporary {key} key. Use --ssl-key and --ssl-cert to use a permanent one."
        )
    });
}

pub(crate) fn tell_own(talk: &Talk, server: &Server) {
    let own = &server.fingerprints;
    talk.verbose(|| format!("SHA-1 fingerprint: {}", own.sha1));
    talk.verbose(|| format!("SHA-256 fingerprint: {}", own.sha256));
    talk.verbose(|| format!("Key: {} (--ssl-pin)", own.pin));
    talk.event(
        "certificate",
        json!({
            "temporary": server.is_temporary, "names": own.names, "sha256": own.sha256,
            "sha1": own.sha1, "pin": own.pin,
        }),
    );
}

fn safe(text: &str) -> String {
    escape::terminal(text.as_bytes()).to_string()
}

fn tell_secured(talk: &Talk, peer: &str, facts: &Facts, listens: bool) {
    let own = facts.chain.first();
    if !listens {
        let organization = own.and_then(|own| own.organization.as_deref()).map(safe);
        let organization = organization.map(|name| format!(" {name}")).unwrap_or_default();
        talk.verbose(|| format!("SSL connection to {}.{organization}", safe(peer)));
        if let Some(own) = own {
            talk.verbose(|| format!("SHA-1 fingerprint: {}", own.sha1));
        }
    }
    talk.verbose(|| {
        let group = match (&facts.group, facts.is_post_quantum) {
            (None, _) => "none".into(),
            (Some(group), true) => format!("{group} (post-quantum)"),
            (Some(group), false) => format!("{group} (not post-quantum)"),
        };
        let alpn = facts.alpn.as_deref().map_or("none".into(), safe);
        let name = facts.server_name.as_deref().map(safe);
        let name = name.map(|name| format!(", server name {name}")).unwrap_or_default();
        let resumed = if facts.is_resumed { ", session resumed" } else { "" };
        format!(
            "{}, cipher {}, group {group}, ALPN {alpn}{name}{resumed}.",
            facts.version, facts.cipher
        )
    });
    for (depth, certificate) in facts.chain.iter().enumerate() {
        talk.verbose(|| format!("Certificate {depth}: {}", described(certificate)));
    }
    // A client that was not asked who it is has not failed to be verified.
    if !listens || own.is_some() {
        talk.verbose(|| format!("Peer: {}.", facts.verdict.words()));
    }
    talk.debug(|| {
        let who = |worker| match worker {
            Worker::Kernel => "the kernel".into(),
            Worker::User(why) => format!("this program ({why})"),
        };
        format!("TLS records are made by {}, opened by {}", who(facts.send), who(facts.recv))
    });
    let chain: Vec<_> = facts.chain.iter().map(certificate_json).collect();
    talk.event(
        "secured",
        json!({
            "peer": peer, "version": facts.version, "cipher": facts.cipher, "group": facts.group,
            "post_quantum": facts.is_post_quantum, "alpn": facts.alpn,
            "kernel": {
                "send": facts.send == Worker::Kernel, "recv": facts.recv == Worker::Kernel,
            },
            "server_name": facts.server_name, "resumed": facts.is_resumed, "verdict": facts.verdict.words(), "chain": chain,
        }),
    );
}

fn described(certificate: &Certificate) -> String {
    let names = match certificate.names.is_empty() {
        true => String::new(),
        false => format!(" for {}", safe(&certificate.names.join(", "))),
    };
    format!(
        "{}{names}, issued by {}, valid {} to {}, SHA-256 {}, key {}",
        safe(&certificate.subject),
        safe(&certificate.issuer),
        certificate.not_before,
        certificate.not_after,
        certificate.sha256,
        certificate.pin,
    )
}

fn certificate_json(certificate: &Certificate) -> serde_json::Value {
    json!({
        "subject": certificate.subject, "issuer": certificate.issuer, "names": certificate.names,
        "not_before": certificate.not_before, "not_after": certificate.not_after,
        "sha256": certificate.sha256, "sha1": certificate.sha1, "pin": certificate.pin,
    })
}

/// The facts for whoever looks at them one by one.
fn in_words(facts: &Facts) -> conn::Secured {
    let peer = facts.chain.first().map(|own| conn::PeerCertificate {
        subject: own.subject.clone(),
        issuer: own.issuer.clone(),
        not_before: own.not_before.clone(),
        not_after: own.not_after.clone(),
        sha256: own.sha256.clone(),
        pem: own.pem.clone(),
    });
    conn::Secured {
        version: facts.version.clone(),
        cipher: facts.cipher.clone(),
        alpn: facts.alpn.clone(),
        server_name: facts.server_name.clone(),
        peer,
    }
}

/// What commands find in their environment; what a peer says in it is without control characters.
fn variables(facts: &Facts) -> Vec<(&'static str, String)> {
    let own = facts.chain.first();
    let some = [
        ("NCAT_TLS_VERSION", Some(facts.version.clone())),
        ("NCAT_TLS_CIPHER", Some(facts.cipher.clone())),
        ("NCAT_TLS_GROUP", facts.group.clone()),
        ("NCAT_TLS_ALPN", facts.alpn.as_deref().map(safe)),
        ("NCAT_TLS_SERVER_NAME", facts.server_name.as_deref().map(safe)),
        ("NCAT_TLS_PEER_SUBJECT", own.map(|own| safe(&own.subject))),
        ("NCAT_TLS_PEER_SHA256", own.map(|own| own.sha256.clone())),
        ("NCAT_TLS_PEER", Some(facts.verdict.words().to_owned())),
    ];
    some.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}
