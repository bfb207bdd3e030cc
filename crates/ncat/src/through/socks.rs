//! SOCKS 4, 4a and 5.

use proto::socks::client::Step;
use proto::socks::v5::{METHOD_NONE, METHOD_PASSWORD, Request};
use proto::socks::{Client, Command, Error};
use proto::target::Target;

use super::wire::Wire;
use super::{Failure, Opened, Passage};

impl From<Error> for Failure {
    /// What must not be sent.
    fn from(error: Error) -> Self {
        match error {
            Error::NoIpv6 => Self::NoIpv6,
            _ => Self::BadCredentials,
        }
    }
}

pub(super) async fn connect4(
    passage: &Passage<'_>,
    wire: &mut Wire,
    target: Target,
) -> Result<Opened, Failure> {
    let (client, first) = Client::v4(target, passage.credentials.as_ref())?;
    converse(passage, wire, client, first).await?;
    Ok(Opened::Yes)
}

pub(super) async fn connect5(
    passage: &Passage<'_>,
    wire: &mut Wire,
    target: Target,
) -> Result<Opened, Failure> {
    request5(passage, wire, Request { command: Command::Connect, target }).await?;
    passage.context.talk.verbose(|| "connection succeeded.".into());
    Ok(Opened::Yes)
}

/// Asks a SOCKS 5 proxy, and gives the address it tells.
pub(super) async fn request5(
    passage: &Passage<'_>,
    wire: &mut Wire,
    request: Request,
) -> Result<Target, Failure> {
    let (client, first) = Client::v5(request, passage.credentials.clone())?;
    converse(passage, wire, client, first).await
}

/// Sends and receives until the dialogue is over.
async fn converse(
    passage: &Passage<'_>,
    wire: &mut Wire,
    mut client: Client,
    first: Vec<u8>,
) -> Result<Target, Failure> {
    const DOING: &str = "the SOCKS dialogue";
    wire.send(first, DOING).await?;
    let mut told = None;
    loop {
        let (step, used) = client.step(&wire.held).map_err(Failure::Socks)?;
        if client.method() != told {
            told = client.method();
            tell_method(passage, told);
        }
        let _ = wire.held.split_to(used);
        match step {
            Step::Done { bound } => return Ok(bound),
            Step::Send(bytes) => wire.send(bytes, DOING).await?,
            Step::More => {
                if !wire.receive(DOING).await? {
                    let said = wire.held.to_vec();
                    return Err(Failure::HungUp { doing: DOING.into(), said });
                }
            }
        }
    }
}

fn tell_method(passage: &Passage<'_>, method: Option<u8>) {
    let line = match method {
        Some(METHOD_NONE) => "No authentication needed.",
        Some(METHOD_PASSWORD) => "Doing username and password authentication.",
        _ => return,
    };
    passage.context.talk.verbose(|| line.into());
}
