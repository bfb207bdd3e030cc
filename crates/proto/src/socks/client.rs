//! A client's side of the dialogue, up to the reply that opens the tunnel.

use super::{Command, Error, v4, v5};
use crate::secret::Credentials;
use crate::target::Target;

/// What a dialogue has come to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// Nothing to be done but to receive more.
    More,
    /// Send this, then receive.
    Send(Vec<u8>),
    /// The request is granted; for [`Command::Associate`] `bound` takes datagrams.
    Done {
        /// The address that the proxy tells.
        bound: Target,
    },
}

/// Why there is no tunnel.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// What it sent is not SOCKS.
    #[error("its answer is not SOCKS: {0}")]
    Garbage(#[from] Error),
    /// SOCKS 4 said no.
    #[error("{}", .0.words())]
    Refused4(v4::Reply),
    /// SOCKS 5 said no.
    #[error("{}", .0.words())]
    Refused5(v5::Reply),
    /// None of our ways to say who we are will do.
    #[error("it accepts none of the authentication methods offered")]
    NoMethod,
    /// It chose what was not offered.
    #[error("it chose authentication method {0}, which was not offered")]
    OtherMethod(u8),
    /// User name or password is wrong.
    #[error("it does not accept user name and password")]
    WrongPassword,
}

/// A dialogue with one proxy.
#[derive(Debug)]
pub struct Client {
    at: At,
    request: v5::Request,
    credentials: Option<Credentials>,
    method: Option<u8>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum At {
    Reply4,
    Method,
    Password,
    Reply5,
}

impl Client {
    /// A SOCKS 4 dialogue (4a when the target is a name) and what to send first. The user id is all of
    /// the credentials, colon included, as in Ncat.
    ///
    /// # Errors
    /// [`Error::NoIpv6`], [`Error::Credentials`]: nothing that may be sent.
    pub fn v4(target: Target, credentials: Option<&Credentials>) -> Result<(Self, Vec<u8>), Error> {
        let request = v5::Request { command: Command::Connect, target };
        let user = credentials.map(Credentials::joined).unwrap_or_default();
        let mut first = Vec::new();
        let (command, target) = (request.command, request.target.clone());
        v4::Request { command, target, user }.write(&mut first)?;
        Ok((Self { at: At::Reply4, request, credentials: None, method: None }, first))
    }

    /// A SOCKS 5 dialogue and what to send first.
    ///
    /// # Errors
    /// [`Error::Credentials`]: nothing that may be sent.
    pub fn v5(
        request: v5::Request,
        credentials: Option<Credentials>,
    ) -> Result<(Self, Vec<u8>), Error> {
        let mut first = Vec::new();
        match &credentials {
            None => v5::write_greeting(&[v5::METHOD_NONE], &mut first),
            Some(known) => {
                let password = known.password.as_deref().ok_or(Error::Credentials)?;
                v5::write_password(&known.user, password, &mut Vec::new())?;
                v5::write_greeting(&[v5::METHOD_NONE, v5::METHOD_PASSWORD], &mut first);
            }
        }
        Ok((Self { at: At::Method, request, credentials, method: None }, first))
    }

    /// The method that a SOCKS 5 proxy chose, once it has.
    pub fn method(&self) -> Option<u8> {
        self.method
    }

    /// Looks at what has arrived and not been used, and says what to do and how much of it is used now.
    ///
    /// # Errors
    /// [`Failure`]: the dialogue is over.
    pub fn step(&mut self, input: &[u8]) -> Result<(Step, usize), Failure> {
        let stepped = match self.at {
            At::Reply4 => self.reply4(input),
            At::Method => self.chosen(input),
            At::Password => self.verdict(input),
            At::Reply5 => reply5(input),
        }?;
        Ok(stepped.unwrap_or((Step::More, 0)))
    }

    fn reply4(&mut self, input: &[u8]) -> Result<Option<(Step, usize)>, Failure> {
        match v4::Reply::parse(input)? {
            None => Ok(None),
            Some(((v4::Reply::Granted, bound), used)) => {
                let bound = std::net::SocketAddr::V4(bound).into();
                Ok(Some((Step::Done { bound }, used)))
            }
            Some(((refused, _), _)) => Err(Failure::Refused4(refused)),
        }
    }

    fn chosen(&mut self, input: &[u8]) -> Result<Option<(Step, usize)>, Failure> {
        let Some((method, used)) = v5::parse_method(input)? else { return Ok(None) };
        self.method = Some(method);
        let mut next = Vec::new();
        match (method, &self.credentials) {
            (v5::METHOD_NONE, _) => {
                self.at = At::Reply5;
                self.request.write(&mut next);
            }
            (v5::METHOD_PASSWORD, Some(known)) => {
                self.at = At::Password;
                let password = known.password.as_deref().unwrap_or_default();
                v5::write_password(&known.user, password, &mut next)?;
            }
            (v5::METHOD_REFUSED, _) => return Err(Failure::NoMethod),
            (other, _) => return Err(Failure::OtherMethod(other)),
        }
        Ok(Some((Step::Send(next), used)))
    }

    fn verdict(&mut self, input: &[u8]) -> Result<Option<(Step, usize)>, Failure> {
        let Some((is_right, used)) = v5::parse_password_verdict(input)? else { return Ok(None) };
        if !is_right {
            return Err(Failure::WrongPassword);
        }
        self.at = At::Reply5;
        let mut next = Vec::new();
        self.request.write(&mut next);
        Ok(Some((Step::Send(next), used)))
    }
}

fn reply5(input: &[u8]) -> Result<Option<(Step, usize)>, Failure> {
    match v5::Reply::parse(input)? {
        None => Ok(None),
        Some(((v5::Reply::Succeeded, bound), used)) => Ok(Some((Step::Done { bound }, used))),
        Some(((refused, _), _)) => Err(Failure::Refused5(refused)),
    }
}
