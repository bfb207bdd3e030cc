//! What all connections of a run share: settings, our certificate, whom to trust.

use std::sync::Arc;

use conn::{Conn, Shape};
use openssl::error::ErrorStack;
use openssl::ssl::{
    AlpnError, Ssl, SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions,
    SslSessionCacheMode, SslVerifyMode, SslVersion,
};
use openssl::stack::Stack;
use plan::{KernelTls, PeerRule, Pin, TlsSpec, TlsVersion};

use crate::dtls::{self, Dtls};
use crate::error::{Error, SetupError, internal, reason_of};
use crate::handshake::{Expect, Link, Waiting};
use crate::identity::{self, Fingerprints, Prompt, Temporary};
use crate::secrets;
use crate::session::{Resumption, Sessions};
use crate::stage::{Notice, Tell, Tls};
use crate::trust::{self, Finding};

/// Ncat's list for TLS 1.2 and older: everything but what is broken, the strongest first.
const CIPHERS: &str = "ALL:!aNULL:!eNULL:!LOW:!EXP:!RC4:!MD5:@STRENGTH";

/// Writes one line of secrets (`--ssl-keylog`).
pub type Keylog = Arc<dyn Fn(&str) + Send + Sync>;

/// The client's side.
pub struct Client {
    context: SslContext,
    server_name: Option<String>,
    verifies: bool,
    pins: Arc<[Pin]>,
    strict_end: bool,
    require_pq: bool,
    kernel: KernelTls,
    sessions: Option<Sessions>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client(verifies: {})", self.verifies)
    }
}

impl Client {
    /// Reads the files the plan names.
    ///
    /// # Errors
    /// What cannot be used, and why.
    pub fn new(
        spec: &TlsSpec,
        keylog: Option<Keylog>,
        resumption: Option<Resumption>,
    ) -> Result<Self, SetupError> {
        let mut builder = start([SslMethod::tls_client, SslMethod::dtls_client], spec, keylog)?;
        identity::load(&mut builder, spec, Prompt::Terminal)?;
        // Reading the system's store takes longer than a handshake.
        if spec.verify {
            trust::load(&mut builder, "--ssl-trustfile", spec.trust_file.as_ref())?;
        }
        if !spec.alpn.is_empty() {
            builder.set_alpn_protos(&wire_list(&spec.alpn)).map_err(of_option("--ssl-alpn"))?;
        }
        let sessions = resumption.map(|resumption| Sessions::new(&mut builder, spec, resumption));
        Ok(Self {
            context: builder.build(),
            sessions,
            server_name: spec.server_name.clone(),
            verifies: spec.verify,
            pins: spec.pins.clone().into(),
            strict_end: spec.strict_end,
            require_pq: spec.require_pq,
            kernel: spec.kernel,
        })
    }

    /// Begins a handshake over `conn` with `host`, the name or address the user gave; `None` where
    /// there is none (a path, a machine's number). `tell` is told what is no error.
    ///
    /// # Errors
    /// When there is no memory, or a name cannot be one.
    pub fn begin(
        &self,
        conn: Conn,
        host: Option<&str>,
        tell: impl Fn(Notice) + Send + Sync + 'static,
    ) -> Result<Waiting, Error> {
        let mut ssl = Ssl::new(&self.context).map_err(internal)?;
        let name = self.server_name.as_deref().or(host);
        if let Some(sni) = name.and_then(trust::sni) {
            ssl.set_hostname(sni).map_err(internal)?;
        }
        let mode = if self.verifies { SslVerifyMode::PEER } else { SslVerifyMode::NONE };
        if self.verifies
            && let Some(name) = name
        {
            trust::expect_name(&mut ssl, name)?;
        }
        let finding = Finding::watch(&mut ssl, mode);
        if let Some(sessions) = &self.sessions {
            sessions.offer(&mut ssl, name)?;
        }
        ssl.set_connect_state();
        let link = if conn.shape == Shape::Message {
            Link::Datagrams(Box::new(Dtls::new(ssl, conn, false)?))
        } else {
            Link::Stream(Box::new(Tls::new(
                ssl,
                conn,
                self.strict_end,
                false,
                self.kernel,
                Arc::new(tell) as Tell,
            )?))
        };
        let expect = Expect::Server { verified: self.verifies, pins: Arc::clone(&self.pins) };
        Ok(Waiting::new(link, finding, expect, self.require_pq, self.kernel))
    }
}

/// The server's side.
pub struct Server {
    context: SslContext,
    /// The certificate in use.
    pub fingerprints: Fingerprints,
    /// It was made for this run.
    pub is_temporary: bool,
    verify: SslVerifyMode,
    allow: Arc<[PeerRule]>,
    checks_chain: bool,
    strict_end: bool,
    require_pq: bool,
    kernel: KernelTls,
    /// Clients may come back, and spare both the certificates.
    gives_tickets: bool,
    temporary: Option<Temporary>,
    keylog: Option<Keylog>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Server({:?})", self.fingerprints)
    }
}

impl Server {
    /// Reads the files the plan names; without a certificate makes one for `host`. With `gives_tickets`
    /// clients can resume their sessions.
    ///
    /// # Errors
    /// What cannot be used, and why.
    pub fn new(
        spec: &TlsSpec,
        host: Option<&str>,
        keylog: Option<Keylog>,
        gives_tickets: bool,
    ) -> Result<Self, SetupError> {
        let temporary = match &spec.certificate {
            Some(_) => None,
            None => Some(Temporary::generate(host, spec.key_type)?),
        };
        Self::assemble(spec, keylog, gives_tickets, temporary, Prompt::Terminal)
    }

    /// The same with what is in the files now. Sessions of before are not resumed: whom they
    /// trusted may be trusted no more. Nobody is asked for a passphrase.
    ///
    /// # Errors
    /// What cannot be used, and why; this one is as it was.
    pub fn renewed(&self, spec: &TlsSpec) -> Result<Self, SetupError> {
        let (keylog, temporary) = (self.keylog.clone(), self.temporary.clone());
        Self::assemble(spec, keylog, self.gives_tickets, temporary, Prompt::Nobody)
    }

    fn assemble(
        spec: &TlsSpec,
        keylog: Option<Keylog>,
        gives_tickets: bool,
        temporary: Option<Temporary>,
        prompt: Prompt,
    ) -> Result<Self, SetupError> {
        let mut builder =
            start([SslMethod::tls_server, SslMethod::dtls_server], spec, keylog.clone())?;
        let fingerprints = match &temporary {
            Some(temporary) => temporary.install(&mut builder)?,
            None => identity::load(&mut builder, spec, prompt)?.unwrap_or_default(),
        };
        let asks = spec.verify || !spec.allow.is_empty();
        if spec.verify {
            trust_clients(&mut builder, spec)?;
        }
        // A client that begins again in the middle could do so for ever; TLS 1.3 has no such thing.
        builder.set_options(SslOptions::NO_RENEGOTIATION);
        // A client that closes with tickets unread resets the connection, and what it had sent may be
        // lost with it: the stage sends them before data (docs/decisions/0015-tickets-before-data.md).
        // Nor is there a store of sessions, which would only grow: tickets hold all there is to know.
        builder.set_num_tickets(0).map_err(of_option("session"))?;
        builder.set_session_cache_mode(SslSessionCacheMode::OFF);
        builder.set_session_id_context(b"ncat").map_err(of_option("session"))?;
        // Any name will do, and is noted.
        builder.set_servername_callback(|_, _| Ok(()));
        if !spec.alpn.is_empty() {
            let ours = spec.alpn.clone();
            // None in common is an error (RFC 7301, section 3.2).
            builder.set_alpn_select_callback(move |_, theirs| {
                choose(&ours, theirs).ok_or(AlpnError::ALERT_FATAL)
            });
        }
        let verify = match asks {
            true => SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT,
            false => SslVerifyMode::NONE,
        };
        Ok(Self {
            context: builder.build(),
            fingerprints,
            is_temporary: temporary.is_some(),
            verify,
            allow: spec.allow.clone().into(),
            checks_chain: spec.verify,
            strict_end: spec.strict_end,
            require_pq: spec.require_pq,
            kernel: spec.kernel,
            gives_tickets,
            temporary,
            keylog,
        })
    }

    /// Begins a handshake with a client.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn begin(
        &self,
        conn: Conn,
        tell: impl Fn(Notice) + Send + Sync + 'static,
    ) -> Result<Waiting, Error> {
        let mut ssl = Ssl::new(&self.context).map_err(internal)?;
        let finding = if self.checks_chain || self.verify == SslVerifyMode::NONE {
            Finding::watch(&mut ssl, self.verify)
        } else {
            // Only keys count: who signed them does not matter.
            ssl.set_verify_callback(self.verify, |_, _| true);
            Finding::default()
        };
        ssl.set_accept_state();
        let link = if conn.shape == Shape::Message {
            Link::Datagrams(Box::new(Dtls::new(ssl, conn, true)?))
        } else {
            let tell = Arc::new(tell) as Tell;
            let (strict, tickets) = (self.strict_end, self.gives_tickets);
            Link::Stream(Box::new(Tls::new(ssl, conn, strict, tickets, self.kernel, tell)?))
        };
        let allow = Arc::clone(&self.allow);
        let expect = Expect::Client { verified: self.checks_chain, allow };
        Ok(Waiting::new(link, finding, expect, self.require_pq, self.kernel))
    }
}

fn trust_clients(builder: &mut SslContextBuilder, spec: &TlsSpec) -> Result<(), SetupError> {
    let (option, path) = match &spec.client_ca {
        Some(path) => ("--ssl-client-ca", Some(path)),
        None => ("--ssl-trustfile", spec.trust_file.as_ref()),
    };
    let named = trust::load(builder, option, path)?;
    // Clients choose their certificate by this list; of a system's whole store it would be too long.
    let list = || -> Result<Stack<_>, ErrorStack> {
        let mut names = Stack::new()?;
        for certificate in &named {
            names.push(certificate.subject_name().to_owned()?)?;
        }
        Ok(names)
    };
    builder.set_client_ca_list(list().map_err(of_option(option))?);
    Ok(())
}

fn of_option(option: &str) -> impl Fn(ErrorStack) -> SetupError {
    move |stack| SetupError::new(option, reason_of(&stack))
}

fn start(
    [stream, datagrams]: [fn() -> SslMethod; 2],
    spec: &TlsSpec,
    keylog: Option<Keylog>,
) -> Result<SslContextBuilder, SetupError> {
    let (method, version): (_, fn(_) -> _) = match spec.datagrams {
        false => (stream(), version),
        true => (datagrams(), dtls::version),
    };
    let mut builder = SslContextBuilder::new(method).map_err(of_option("TLS"))?;
    if spec.datagrams {
        dtls::prepare(&mut builder);
    }
    // What the stage counts on: a call makes one record, and idle connections keep no buffers.
    builder.set_mode(
        SslMode::AUTO_RETRY
            | SslMode::ENABLE_PARTIAL_WRITE
            | SslMode::ACCEPT_MOVING_WRITE_BUFFER
            | SslMode::RELEASE_BUFFERS,
    );
    // The first list also sets the security level, which the others and certificates must meet.
    let ciphers = spec.ciphers.as_deref().unwrap_or(CIPHERS);
    builder.set_cipher_list(ciphers).map_err(|stack| {
        of_option("--ssl-ciphers")(stack).hint("openssl ciphers -s LIST shows what a list means")
    })?;
    if let Some(suites) = &spec.ciphersuites {
        builder.set_ciphersuites(suites).map_err(|stack| {
            of_option("--ssl-ciphersuites")(stack)
                .hint("names as TLS_AES_256_GCM_SHA384, with colons between them")
        })?;
    }
    if let Some(groups) = &spec.groups {
        builder.set_groups_list(groups).map_err(|stack| {
            let error = of_option("--ssl-groups")(stack);
            error.hint(
                "names as X25519 or P-256, with colons between them; this library may lack some",
            )
        })?;
    }
    builder.set_min_proto_version(spec.min.map(version)).map_err(of_option("--ssl-min"))?;
    builder.set_max_proto_version(spec.max.map(version)).map_err(of_option("--ssl-max"))?;
    builder.set_keylog_callback(move |ssl, line| {
        secrets::note(ssl, line);
        if let Some(keylog) = &keylog {
            keylog(line);
        }
    });
    Ok(builder)
}

fn version(version: TlsVersion) -> SslVersion {
    match version {
        TlsVersion::Tls10 => SslVersion::TLS1,
        TlsVersion::Tls11 => SslVersion::TLS1_1,
        TlsVersion::Tls12 => SslVersion::TLS1_2,
        TlsVersion::Tls13 => SslVersion::TLS1_3,
    }
}

/// ALPN's list as it is sent: each name after its length, which the plan has checked.
fn wire_list(names: &[String]) -> Vec<u8> {
    let mut list = Vec::new();
    for name in names {
        list.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        list.extend_from_slice(name.as_bytes());
    }
    list
}

/// The first of ours that the client has too, out of its list.
fn choose<'a>(ours: &[String], theirs: &'a [u8]) -> Option<&'a [u8]> {
    ours.iter().find_map(|own| {
        let mut rest = theirs;
        while let Some((len, after)) = rest.split_first() {
            let (name, others) = after.split_at_checked(usize::from(*len))?;
            if name == own.as_bytes() {
                return Some(name);
            }
            rest = others;
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_chooses_in_its_own_order() {
        let ours = ["h2".to_owned(), "http/1.1".to_owned()];
        let theirs = wire_list(&["http/1.1".into(), "h2".into()]);
        assert_eq!(choose(&ours, &theirs), Some(&b"h2"[..]));
        assert_eq!(choose(&ours, &wire_list(&["ftp".into()])), None);
        assert_eq!(choose(&ours, b"\xffh2"), None);
        assert_eq!(choose(&ours, b""), None);
    }
}
