//! DTLS: how many datagrams a second come back from an echo.

use std::io::{self, Read as _, pipe};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::Context;
use super::child::{Child, Stdio2};
use super::net::{Net, start_listener};
use super::peers::{LIMIT, SOCAT};
use super::report::{Fault, Metric, OURS, Section, brief, full};
use super::tls::{Identity, rows};

const PATIENCE: Duration = Duration::from_secs(60);
const METRICS: [Metric; 3] = [full("datagrams/s"), full("CPU µs each, server"), brief("lost")];
/// Bytes of each.
const SIZE: usize = 512;

/// A tool that sends back what it receives, and its arguments.
fn server(context: &Context, peer: &str, port: u16, own: &Identity) -> (PathBuf, Vec<String>) {
    let (certificate, key) = (own.certificate.display(), own.key.display());
    let args = match peer {
        SOCAT => format!(
            "OPENSSL-DTLS-SERVER:{port},bind=127.0.0.1,cert={certificate},key={key},verify=0 PIPE"
        ),
        LIMIT => format!("dtls-echo-back {port} {certificate} {key}"),
        _ => format!("-l -k -u --ssl --ssl-cert {certificate} --ssl-key {key} 127.0.0.1 {port} -e"),
    };
    let mut args: Vec<String> = args.split_whitespace().map(str::to_owned).collect();
    if peer == OURS {
        args.push(format!("{} echo-command {SIZE}", context.limit.display()));
    }
    let known = context.peers.iter().find(|known| known.name == peer);
    (known.map_or_else(|| context.limit.clone(), |known| known.program.clone()), args)
}

fn once(context: &Context, peer: &str, own: &Identity) -> Result<Vec<f64>, Fault> {
    let deadline = Instant::now() + PATIENCE;
    let mut held = Vec::new();
    let (mut server, port) = start_listener(Net::Udp, |port| {
        let (silent, keep) = pipe()?;
        held.push(keep);
        let (program, args) = server(context, peer, port, own);
        let stdio = Stdio2::new(silent, Stdio::null());
        Ok(Child::start(&program, &args, stdio, &context.scratch)?)
    })?;
    let (mut says, stdout) = pipe()?;
    let seconds = context.pick(3, 1);
    let args = format!("dtls-echo {port} {SIZE} {seconds}");
    let mut client = context.start_limit(&args, Stdio2::new(Stdio::null(), stdout))?;
    client.success(deadline)?;
    let mut said = String::new();
    says.read_to_string(&mut said)?;
    let figures: Vec<f64> = said.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [rate, lost] = figures[..] else { return Err(Fault::failed("the client said no rate")) };
    let used = server.kill()?;
    let micros = used.cpu_seconds() * 1e6 / (rate * seconds as f64).max(1.0);
    Ok(vec![rate, micros, lost])
}

pub(crate) fn echo(context: &Context) -> io::Result<Section> {
    let own = Identity::make(context)?;
    let peers = [OURS, SOCAT, LIMIT];
    let runs = context.pick(5, 2);
    let mut section = Section {
        id: "dtls",
        title: format!("DTLS 1.2, datagrams of {SIZE} bytes to an echo and back"),
        how: "`X -l -k -u --ssl -e ECHO`, ECHO a command that writes each datagram's bytes back in one \
              piece (socat: OPENSSL-DTLS-SERVER:PORT PIPE, which may join some; the limit is OpenSSL with a \
              blocking socket and no command); one client of the bench with 32 datagrams under way. \
              Debian's ncat has no DTLS when it listens."
            .to_owned(),
        metrics: METRICS.into(),
        rows: rows(context, &peers, METRICS.len(), runs, |peer| once(context, peer, &own)),
        ..Section::default()
    };
    let rate = section.median(OURS, 0);
    section.judge("at least 20,000 datagrams/s".to_owned(), rate, |rate| rate >= 20_000.0);
    Ok(section)
}
