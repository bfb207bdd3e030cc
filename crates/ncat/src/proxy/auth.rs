//! Who may use the proxy: user names and passwords, where they are asked for.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use plan::ProxyAuth;
use proto::auth::digest::{Algorithm, Answer, Challenge, Hash};
use proto::auth::{Auth, Nonces, Verdict, basic, parse_credentials};
use proto::http::{Authority, Request, Target};
use proto::secret::{Credentials, is_equal};
use tokio::time::Instant;

use super::Server;
use super::record::Record;
use super::reply::Reply;
use crate::talk::words;

/// What the passwords are for, as Ncat names it.
const REALM: &[u8] = b"Ncat";
/// How long a Digest nonce is good. It is bound to the client's address and each of its counts is good
/// once, so this is no time for replays, as Ncat's 10 s are; it only limits what has to be remembered.
const NONCE_LIFE: Duration = Duration::from_secs(60);

/// Those who may come in, and what they were asked.
pub(crate) struct Users {
    all: Vec<Credentials>,
    nonces: Mutex<Nonces>,
    /// What the nonces' times count from.
    origin: Instant,
}

/// Why somebody may not.
enum No {
    /// Nothing was said, or nothing right.
    Unknown(&'static str),
    /// It was right, but the nonce has been used or is old: the client answers again by itself.
    Stale,
}

impl Users {
    /// Those the plan names.
    ///
    /// # Errors
    /// Why there are none, in words.
    pub(super) fn prepare(users: &ProxyAuth) -> Result<Self, String> {
        let all = match users {
            ProxyAuth::None => Vec::new(),
            ProxyAuth::Given(given) => vec![Credentials::new(given.reveal().as_bytes())],
            ProxyAuth::File(path, _) => {
                let text = std::fs::read(path)
                    .map_err(|error| format!("can't open {}: {}", path.display(), words(&error)))?;
                let lines = text
                    .split(|byte| *byte == b'\n')
                    .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
                let users: Vec<_> =
                    lines.filter(|line| !line.is_empty()).map(Credentials::new).collect();
                if users.is_empty() {
                    return Err(format!("{} names no user", path.display()));
                }
                users
            }
        };
        let secret = sys::random::bytes().map_err(|error| words(&error))?;
        let nonces = Mutex::new(Nonces::new(secret, NONCE_LIFE));
        Ok(Self { all, nonces, origin: Instant::now() })
    }

    /// Whether anybody is asked who they are.
    pub(super) fn is_asked(&self) -> bool {
        !self.all.is_empty()
    }

    /// SOCKS 5's user name and password (RFC 1929).
    pub(super) fn has_password(&self, user: &[u8], password: &[u8]) -> bool {
        // Every one is compared, whatever the first says.
        let is_right = |one: &Credentials| {
            let own = one.password.as_deref().unwrap_or_default();
            is_equal(&one.user, user) & is_equal(own, password)
        };
        self.all.iter().fold(false, |found, one| found | is_right(one))
    }

    /// SOCKS 4's user id, in which Ncat sends the whole of `--proxy-auth`.
    pub(super) fn has_user_id(&self, id: &[u8]) -> bool {
        self.all.iter().fold(false, |found, one| found | is_equal(&one.joined(), id))
    }

    /// Who the credentials of a request say it is from.
    fn find(&self, request: &Request, client: &[u8]) -> Result<Vec<u8>, No> {
        let given = request.headers.all("Proxy-Authorization");
        let mut given: Vec<Auth> = given
            .map(|value| parse_credentials(value))
            .collect::<Result<_, _>>()
            .map_err(|_| No::Unknown("the credentials cannot be understood"))?;
        // Of several the better one counts, as for Ncat.
        given.sort_by_key(|auth| !auth.is("Digest"));
        let auth = given.first().ok_or(No::Unknown("no credentials were given"))?;
        let wrong = No::Unknown("user name or password is wrong");
        if auth.is("Basic") {
            let is_right = |one: &&Credentials| basic::is_right(auth, one).unwrap_or(false);
            return self.all.iter().find(is_right).map(|one| one.user.clone()).ok_or(wrong);
        }
        if !auth.is("Digest") {
            return Err(No::Unknown("the scheme is neither Basic nor Digest"));
        }
        let answer =
            Answer::new(auth).map_err(|_| No::Unknown("the Digest cannot be understood"))?;
        if answer.realm != REALM || !is_about(&answer.uri, request) {
            return Err(No::Unknown("the Digest is for something else"));
        }
        let is_right = |one: &&Credentials| answer.is_right(one, &request.method);
        let user = self.all.iter().find(is_right).ok_or(wrong)?;
        let mut nonces = self.nonces.lock().unwrap_or_else(PoisonError::into_inner);
        match nonces.check(&answer.nonce, answer.count, self.origin.elapsed(), client) {
            Verdict::Fresh => Ok(user.user.clone()),
            // Whoever knows the password may ask for a new one; whoever only heard it cannot use that.
            _ => Err(No::Stale),
        }
    }

    /// The header lines that ask for credentials: Ncat's two, and Digest with a hash of this century.
    fn ask(&self, client: &[u8], is_stale: bool) -> String {
        let now = self.origin.elapsed();
        let mut nonces = self.nonces.lock().unwrap_or_else(PoisonError::into_inner);
        let mut digest = |algorithm| Challenge {
            realm: REALM.to_vec(),
            nonce: nonces.mint(now, client).into_bytes(),
            opaque: None,
            algorithm,
            has_qop: true,
            is_stale,
            hashes_user: false,
        };
        let sha256 = Algorithm { hash: Hash::Sha256, is_session: false };
        let lines =
            [b"Basic realm=\"Ncat\"".to_vec(), digest(None).write(), digest(Some(sha256)).write()];
        let line =
            |value: &Vec<u8>| format!("Proxy-Authenticate: {}\r\n", String::from_utf8_lossy(value));
        lines.iter().map(line).collect()
    }
}

/// Whether a Digest's `uri` is what is asked for: as it stands in the request line, or, as curl has it,
/// the path of it.
fn is_about(uri: &[u8], request: &Request) -> bool {
    if uri == request.target {
        return true;
    }
    if request.method == b"CONNECT"[..] {
        let same = |text: &[u8]| Authority::parse_connect(text).ok();
        return same(uri).is_some_and(|uri| Some(uri) == same(&request.target));
    }
    Target::parse(&request.target, &request.method).is_ok_and(|target| target.path == uri)
}

impl Server {
    /// Whether an HTTP client has said who it is, where that is asked.
    pub(super) fn admits_http(&self, request: &Request, record: &mut Record) -> Result<(), Reply> {
        if !self.users.is_asked() {
            return Ok(());
        }
        let client = address(&record.peer);
        match self.users.find(request, client.as_bytes()) {
            Ok(user) => {
                record.user = Some(String::from_utf8_lossy(&user).into_owned());
                Ok(())
            }
            Err(no) => {
                let (why, is_stale) = match no {
                    No::Unknown(why) => (why, false),
                    No::Stale => ("the nonce was used before or is too old", true),
                };
                let why = format!("This proxy asks who you are: {why}.");
                Err(Reply::new(407, why).with(self.users.ask(client.as_bytes(), is_stale)))
            }
        }
    }
}

/// A client's address without its port: its next connection has another.
fn address(peer: &str) -> String {
    peer.parse().map_or_else(|_| peer.to_owned(), |addr: SocketAddr| addr.ip().to_string())
}
