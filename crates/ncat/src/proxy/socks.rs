//! A SOCKS client of ours, of version 4, 4a or 5: one request, and then a tunnel.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use endpoint::{OpenError, listen};
use gate::Protocol;
use proto::socks::{Command, Error, Parsed, v4, v5};
use proto::target::Target;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::Server;
use super::dial::NoWay;
use super::record::Record;
use super::wire::Wire;
use crate::talk::words;

/// How long a client's `BIND` waits for whom it expects, when `-i` is not shorter.
const BIND_WAIT: Duration = Duration::from_secs(120);
/// Between two tries to take who comes, when there is no descriptor.
const NO_DESCRIPTOR_PAUSE: Duration = Duration::from_millis(100);
/// How long a client that was told no may go on sending before we close.
const PARTING: Duration = Duration::from_secs(2);

/// Which of the two is spoken.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Kind {
    V4,
    V5,
}

/// What a client asked, in either version.
struct Ask {
    command: Command,
    target: Target,
}

/// Why a dialogue ends without a connection; in words.
struct Trouble(String);

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self(words(&error))
    }
}

/// Why a message was not read.
enum Unread {
    /// It is none.
    Bad(Error),
    /// It did not come.
    Missing(Trouble),
}

impl From<Unread> for Trouble {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::Bad(error) => Self(error.to_string()),
            Unread::Missing(trouble) => trouble,
        }
    }
}

impl Server {
    /// Serves a client whose first byte, which is still there, says this version. `until` is when the
    /// dialogue has to be over.
    pub(super) async fn serve_socks(&self, mut wire: Wire, version: u8, until: Instant) {
        let kind = if version == proto::socks::VERSION_4 { Kind::V4 } else { Kind::V5 };
        let name = if kind == Kind::V4 { "socks4" } else { "socks5" };
        let mut record = Record::new(name, &wire.conn.info.peer.clone());
        let asked = match kind {
            Kind::V4 => self.ask_v4(&mut wire, until, &mut record).await,
            Kind::V5 => self.ask_v5(&mut wire, until, &mut record).await,
        };
        match asked {
            Ok(ask) => {
                ask.command.word().clone_into(&mut record.method);
                record.target = ask.target.to_string();
                if let Err(Trouble(why)) =
                    self.carry_out(kind, wire, &ask, until, &mut record).await
                {
                    record.why = why;
                }
            }
            Err(Trouble(why)) => {
                record.why = why;
                wire.close_gently(PARTING).await;
            }
        }
        self.note(&record);
    }

    async fn ask_v4(
        &self,
        wire: &mut Wire,
        until: Instant,
        record: &mut Record,
    ) -> Result<Ask, Trouble> {
        let request = read(wire, until, v4::Request::parse).await?;
        record.target = request.target.to_string();
        if self.users.is_asked() && !self.users.has_user_id(&request.user) {
            self.answer(Kind::V4, wire, v5::Reply::NotAllowed, &Target::NOWHERE, record).await?;
            return Err(Trouble("the user id is not one of ours".into()));
        }
        if !request.user.is_empty() {
            record.user = Some(String::from_utf8_lossy(&request.user).into_owned());
        }
        // Whatever was sent as a password is no name for a log.
        if let (Some(user), true) = (&mut record.user, self.users.is_asked()) {
            user.truncate(user.find(':').unwrap_or(user.len()));
        }
        Ok(Ask { command: request.command, target: request.target })
    }

    async fn ask_v5(
        &self,
        wire: &mut Wire,
        until: Instant,
        record: &mut Record,
    ) -> Result<Ask, Trouble> {
        let own = |input: &[u8]| {
            v5::parse_greeting(input)
                .map(|some| some.map(|(methods, used)| (methods.to_vec(), used)))
        };
        let offered = read(wire, until, own).await?;
        let wanted = if self.users.is_asked() { v5::METHOD_PASSWORD } else { v5::METHOD_NONE };
        // Who insists on a password where none is asked has any of them accepted.
        let method = [wanted, v5::METHOD_PASSWORD].into_iter().find(|one| offered.contains(one));
        let mut out = Vec::new();
        v5::write_method(method.unwrap_or(v5::METHOD_REFUSED), &mut out);
        wire.send(out.into()).await?;
        let method = method.ok_or_else(|| {
            Trouble(
                if self.users.is_asked() {
                    "no password is offered"
                } else {
                    "no method is offered that is known"
                }
                .into(),
            )
        })?;
        if method == v5::METHOD_PASSWORD {
            self.password(wire, until, record).await?;
        }
        let request = read(wire, until, v5::Request::parse).await;
        match request {
            Ok(request) => Ok(Ask { command: request.command, target: request.target }),
            Err(Unread::Bad(error)) => {
                // An address type nobody knows has an answer of its own.
                let reply = match error {
                    Error::AddressType(_) => v5::Reply::AddressTypeNotSupported,
                    _ => v5::Reply::GeneralFailure,
                };
                let _ = self.answer(Kind::V5, wire, reply, &Target::NOWHERE, record).await;
                Err(Trouble(error.to_string()))
            }
            Err(Unread::Missing(trouble)) => Err(trouble),
        }
    }

    async fn password(
        &self,
        wire: &mut Wire,
        until: Instant,
        record: &mut Record,
    ) -> Result<(), Trouble> {
        let own = |input: &[u8]| {
            let both = v5::parse_password(input)?;
            Ok(both.map(|((user, password), used)| ((user.to_vec(), password.to_vec()), used)))
        };
        let (user, password) = read(wire, until, own).await?;
        let is_right = !self.users.is_asked() || self.users.has_password(&user, &password);
        let mut out = Vec::new();
        v5::write_password_verdict(is_right, &mut out);
        wire.send(out.into()).await?;
        if !is_right {
            return Err(Trouble("user name or password is wrong".into()));
        }
        record.user = Some(String::from_utf8_lossy(&user).into_owned());
        Ok(())
    }

    async fn carry_out(
        &self,
        kind: Kind,
        mut wire: Wire,
        ask: &Ask,
        until: Instant,
        record: &mut Record,
    ) -> Result<(), Trouble> {
        let refusal = match ask.command {
            Command::Connect => {
                let host = ask.target.host.to_string();
                match Box::pin(self.dial(&host, ask.target.port)).await {
                    Ok(conn) => {
                        let bound = conn
                            .info
                            .local
                            .parse()
                            .map_or(Target::NOWHERE, |addr: SocketAddr| addr.into());
                        self.answer(kind, &mut wire, v5::Reply::Succeeded, &bound, record).await?;
                        self.tunnel(wire, Wire::new(conn), record).await;
                        return Ok(());
                    }
                    Err(no) => (code(&no), no.words()),
                }
            }
            Command::Bind => match Box::pin(self.bind(kind, &mut wire, ask, record)).await? {
                Ok(peer) => {
                    self.tunnel(wire, peer, record).await;
                    return Ok(());
                }
                Err(refusal) => refusal,
            },
            Command::Associate if kind == Kind::V5 => {
                match self.associate(&wire.conn.info, ask.target.port).await {
                    Ok(association) => {
                        let bound = association.bound.into();
                        self.answer(kind, &mut wire, v5::Reply::Succeeded, &bound, record).await?;
                        Box::pin(self.relay_datagrams(association, wire, record)).await;
                        return Ok(());
                    }
                    Err(error) => (v5::Reply::GeneralFailure, error.to_string()),
                }
            }
            Command::Associate | Command::Unknown(_) => {
                (v5::Reply::CommandNotSupported, "no such command".into())
            }
        };
        let (reply, why) = refusal;
        let _ =
            timeout_at(until, self.answer(kind, &mut wire, reply, &Target::NOWHERE, record)).await;
        wire.close_gently(PARTING).await;
        Err(Trouble(why))
    }

    /// Listens for a connection that the target will make, and tells the client where, and then who
    /// came.
    async fn bind(
        &self,
        kind: Kind,
        wire: &mut Wire,
        ask: &Ask,
        record: &mut Record,
    ) -> Result<Result<Wire, (v5::Reply, String)>, Trouble> {
        let local = wire.conn.info.local.parse().map(|addr: SocketAddr| addr.ip());
        let ip = local.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let host = ask.target.host.to_string();
        let expected = match self.addresses(&host, ask.target.port, Instant::now()).await {
            Ok(addrs) => addrs,
            Err(no) => return Ok(Err((code(&no), no.words()))),
        };
        let opened = listen::inet(&self.gate, Protocol::Tcp, SocketAddr::new(ip, 0), &self.setup);
        let listener = match opened {
            Ok(listener) => listener,
            Err(error) => return Ok(Err((v5::Reply::GeneralFailure, error.to_string()))),
        };
        let gate::Address::Inet(bound) = listener.at.clone() else {
            return Ok(Err((v5::Reply::GeneralFailure, "no address".into())));
        };
        self.answer(kind, wire, v5::Reply::Succeeded, &bound.into(), record).await?;
        let wait = self.limits.idle_timeout.unwrap_or(BIND_WAIT).min(BIND_WAIT);
        let listeners = [listener];
        let accepting = async {
            loop {
                let accepted = match listen::accept_any(&listeners).await {
                    Ok(accepted) => accepted,
                    Err(error) if listen::is_passing(&error) => continue,
                    // No descriptor for who waits (EMFILE): until another client has left.
                    Err(_) => {
                        sleep(NO_DESCRIPTOR_PAUSE).await;
                        continue;
                    }
                };
                let gate::Address::Inet(from) = accepted.peer else { continue };
                let is_expected = |addr: &SocketAddr| {
                    let (addr, from) = (addr.ip().to_canonical(), from.ip().to_canonical());
                    addr.is_unspecified() || addr == from
                };
                if expected.iter().any(is_expected) {
                    break (accepted.conn, from);
                }
            }
        };
        let arrived = timeout(wait, async {
            tokio::select! {
                arrived = accepting => Some(arrived),
                () = gone(wire) => None,
            }
        });
        match arrived.await {
            Ok(Some((conn, from))) => {
                self.answer(kind, wire, v5::Reply::Succeeded, &from.into(), record).await?;
                Ok(Ok(Wire::new(conn)))
            }
            Ok(None) => Err(Trouble("the client is gone".into())),
            Err(_) => Ok(Err((v5::Reply::TtlExpired, "nobody came in time".into()))),
        }
    }

    /// Answers, in the words of either version.
    async fn answer(
        &self,
        kind: Kind,
        wire: &mut Wire,
        reply: v5::Reply,
        bound: &Target,
        record: &mut Record,
    ) -> io::Result<()> {
        let mut out = Vec::new();
        match kind {
            Kind::V5 => {
                record.status = Some(reply.code().into());
                reply.write(bound, &mut out);
            }
            Kind::V4 => {
                let is_yes = reply == v5::Reply::Succeeded;
                let reply = if is_yes { v4::Reply::Granted } else { v4::Reply::Rejected };
                record.status = Some(reply.code().into());
                let bound = match bound.addr() {
                    Some(SocketAddr::V4(addr)) => addr,
                    // There is no way to say an IPv6 address here.
                    _ => SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, bound.port),
                };
                reply.write(bound, &mut out);
            }
        }
        wire.send(out.into()).await
    }
}

/// Waits until the client has ended or failed; what it sends meanwhile is kept for later.
async fn gone(wire: &mut Wire) {
    // A megabyte ahead of any connection is nobody's dialogue.
    while matches!(wire.fill().await, Ok(true)) && wire.input.len() < 64 {}
}

/// Reads one message, of which `parse` says where it ends.
async fn read<T>(
    wire: &mut Wire,
    until: Instant,
    parse: impl Fn(&[u8]) -> Parsed<T>,
) -> Result<T, Unread> {
    let mut buf = BytesMut::new();
    loop {
        for piece in wire.input.drain(..) {
            buf.extend_from_slice(&piece);
        }
        match parse(&buf) {
            Err(error) => return Err(Unread::Bad(error)),
            Ok(Some((message, used))) => {
                let rest: Bytes = buf.split_off(used).freeze();
                if !rest.is_empty() {
                    wire.input.push_front(rest);
                }
                return Ok(message);
            }
            Ok(None) => {}
        }
        let missing = match timeout_at(until, wire.fill()).await {
            Ok(Ok(true)) => continue,
            Ok(Ok(false)) => Trouble("the client ended within the dialogue".into()),
            Ok(Err(error)) => error.into(),
            Err(_) => Trouble("the dialogue took too long (-w)".into()),
        };
        return Err(Unread::Missing(missing));
    }
}

/// SOCKS 5's number for it (RFC 1928, section 6).
fn code(no: &NoWay) -> v5::Reply {
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
    match no {
        NoWay::Forbidden(_) | NoWay::Loop => v5::Reply::NotAllowed,
        NoWay::Failed(OpenError::Resolve { .. }) => v5::Reply::HostUnreachable,
        NoWay::Failed(OpenError::Timeout { .. }) => v5::Reply::TtlExpired,
        NoWay::Failed(OpenError::Connect { last, .. }) => match last.kind() {
            ConnectionRefused => v5::Reply::ConnectionRefused,
            HostUnreachable => v5::Reply::HostUnreachable,
            NetworkUnreachable => v5::Reply::NetworkUnreachable,
            _ => v5::Reply::GeneralFailure,
        },
        NoWay::Failed(_) => v5::Reply::GeneralFailure,
    }
}
