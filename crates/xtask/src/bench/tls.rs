//! TLS: a file through it, and handshakes.

use std::io::{self, Read as _, pipe};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::Context;
use super::child::{Child, Stdio2};
use super::net::{Net, start_listener};
use super::peers::{LIMIT, NCAT, SOCAT_1M};
use super::report::{Fault, Metric, OURS, Row, Section, State, brief, full};
use super::transfer::{InputFile, METRICS, figures};

pub(super) const PATIENCE: Duration = Duration::from_secs(60);
pub(super) const S_SERVER: &str = "openssl s_server";

/// A certificate with its key, for every tool the same; removed with this value.
pub(super) struct Identity {
    certificate: PathBuf,
    key: PathBuf,
}

impl Identity {
    pub(super) fn make(context: &Context) -> io::Result<Self> {
        let file = |end| context.scratch.join(format!("tls-{}.{end}", std::process::id()));
        let own = Self { certificate: file("pem"), key: file("key") };
        let args = format!("tls-identity {} {}", own.certificate.display(), own.key.display());
        let made = context
            .start_limit(&args, Stdio2::null())
            .and_then(|mut child| child.success(Instant::now() + PATIENCE));
        made.map_err(|fault| io::Error::other(format!("making a certificate: {fault:?}")))?;
        Ok(own)
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.certificate);
        let _ = std::fs::remove_file(&self.key);
    }
}

/// Arguments of a tool that receives from one client, or from many.
pub(super) fn receiver(peer: &str, port: u16, own: &Identity, many: bool) -> String {
    let (certificate, key) = (own.certificate.display(), own.key.display());
    match peer {
        SOCAT_1M => format!(
            "-u -b 1048576 OPENSSL-LISTEN:{port},bind=127.0.0.1,cert={certificate},key={key},verify=0 -"
        ),
        LIMIT => format!("tls-recv {port} {certificate} {key}"),
        S_SERVER => {
            format!("s_server -quiet -accept 127.0.0.1:{port} -cert {certificate} -key {key}")
        }
        _ => {
            // Of handshakes the most expensive part is the certificate: each with the one it makes.
            let files = format!("--ssl-cert {certificate} --ssl-key {key}");
            let (how, files) = if many { ("-k", "") } else { ("--recv-only", &files[..]) };
            format!("-l {how} --ssl {files} 127.0.0.1 {port}")
        }
    }
}

fn sender(peer: &str, port: u16) -> String {
    match peer {
        SOCAT_1M => format!("-u -b 1048576 - OPENSSL:127.0.0.1:{port},verify=0"),
        LIMIT => format!("tls-send {port}"),
        _ => format!("--ssl --send-only 127.0.0.1 {port}"),
    }
}

pub(super) fn start(
    context: &Context,
    peer: &str,
    args: &str,
    stdio: Stdio2,
) -> Result<Child, Fault> {
    let known = context.peers.iter().find(|known| known.name == peer);
    let program = known.map_or_else(|| "/usr/bin/openssl".into(), |known| known.program.clone());
    let args: Vec<String> = args.split_whitespace().map(str::to_owned).collect();
    Ok(Child::start(&program, &args, stdio, &context.scratch)?)
}

/// Each of `peers` in turn, `runs` times.
pub(super) fn rows(
    context: &Context,
    peers: &[&str],
    metrics: usize,
    runs: usize,
    mut run: impl FnMut(&str) -> Result<Vec<f64>, Fault>,
) -> Vec<Row> {
    let is_here = |peer: &str| {
        let known = context.peers.iter().find(|known| known.name == peer);
        known.map_or_else(|| PathBuf::from("/usr/bin/openssl").is_file(), |known| known.present)
    };
    let mut rows: Vec<Row> =
        peers.iter().map(|peer| Row::new(peer, is_here(peer), metrics)).collect();
    for _ in 0..runs {
        for row in &mut rows {
            if row.state == State::Ran {
                let result = run(&row.peer);
                row.record(result);
            }
        }
    }
    rows
}

pub(crate) fn bulk(context: &Context) -> io::Result<Section> {
    let bytes = context.pick(1 << 30, 256 << 20);
    let input = InputFile::make(context, bytes)?;
    let own = Identity::make(context)?;
    let once = |peer: &str| -> Result<Vec<f64>, Fault> {
        let deadline = Instant::now() + PATIENCE;
        let mut held = Vec::new();
        let (mut receiver, port) = start_listener(Net::Tcp, |port| {
            let (silent, keep) = pipe()?;
            held.push(keep);
            let args = receiver(peer, port, &own, false);
            start(context, peer, &args, Stdio2::new(silent, Stdio::null()))
        })?;
        let begun = Instant::now();
        let stdio = Stdio2::new(std::fs::File::open(&input.path)?, Stdio::null());
        let mut sender = start(context, peer, &sender(peer, port), stdio)?;
        let sent = sender.success(deadline)?;
        // Ncat's receiver ends with 1 after its own sender (spec section 16, row 12).
        let received = match peer {
            NCAT => receiver.wait(deadline)?,
            _ => receiver.success(deadline)?,
        };
        Ok(figures(bytes, sent.at.max(received.at) - begun, sent, received))
    };
    let peers = [OURS, NCAT, SOCAT_1M, LIMIT];
    let mut section = Section {
        id: "tls",
        title: "file → TLS → /dev/null".to_owned(),
        how: format!(
            "each tool with itself, TLS 1.3, an ECDSA certificate; {} MiB, file in the page cache; from \
             the sender's start, handshake included, until both ended with 0. The limit is OpenSSL with \
             blocking sockets and buffers of 256 KiB.",
            bytes >> 20
        ),
        metrics: METRICS.into(),
        rows: rows(context, &peers, METRICS.len(), context.pick(5, 3), once),
        ..Section::default()
    };
    section.at_least(0, 0.95, LIMIT);
    section.at_least(0, 2.0, NCAT);
    section.at_least(0, 1.3, SOCAT_1M);
    Ok(section)
}

const HANDSHAKE_METRICS: [Metric; 3] =
    [full("handshakes/s"), full("CPU ms server"), brief("peak RSS MiB server")];

pub(crate) fn handshakes(context: &Context) -> io::Result<Section> {
    let count: u32 = context.pick(3000, 500);
    let own = Identity::make(context)?;
    let once = |peer: &str| -> Result<Vec<f64>, Fault> {
        let deadline = Instant::now() + PATIENCE;
        let mut held = Vec::new();
        let (mut server, port) = start_listener(Net::Tcp, |port| {
            let (silent, keep) = pipe()?;
            held.push(keep);
            let args = receiver(peer, port, &own, true);
            start(context, peer, &args, Stdio2::new(silent, Stdio::null()))
        })?;
        let (mut says, stdout) = pipe()?;
        let args = format!("tls-handshakes {port} {count}");
        let mut client = context.start_limit(&args, Stdio2::new(Stdio::null(), stdout))?;
        client.success(deadline)?;
        let mut rate = String::new();
        says.read_to_string(&mut rate)?;
        let rate = rate.trim().parse().map_err(|_| Fault::failed("the client said no rate"))?;
        let used = server.kill()?;
        Ok(vec![rate, used.cpu_seconds() * 1e3 / f64::from(count), used.resident_mib_max()])
    };
    let peers = [OURS, NCAT, S_SERVER];
    let mut section = Section {
        id: "tls-handshakes",
        title: "full handshakes, one after the other".to_owned(),
        how: format!(
            "`X -l -k --ssl` with the certificate that each makes (ours ECDSA P-256, Ncat's RSA 2048; \
             s_server: ECDSA P-256), one client of the bench makes {count} handshakes and ends each with \
             close_notify; CPU of the server for one, its start included."
        ),
        metrics: HANDSHAKE_METRICS.into(),
        rows: rows(context, &peers, HANDSHAKE_METRICS.len(), context.pick(5, 3), once),
        ..Section::default()
    };
    section.at_least(0, 1.5, NCAT);
    section.at_least(0, 0.8, S_SERVER);
    Ok(section)
}
