//! How speed depends on size: of the pieces, and of the crowd. The columns of these tables are the sizes.

use std::io::{self, BufRead as _, BufReader, pipe};
use std::time::Instant;

use super::child::Stdio2;
use super::net::{Net, start_listener};
use super::peers::{Job, LIMIT, NCAT, OPENBSD, Peer, SOCAT, SOCAT_1M};
use super::report::{Fault, Metric, OURS, Section, brief};
use super::transfer::{Check, Input, Sink, one_way, patience};
use super::{Context, interleave};

/// Sizes of a writer's pieces in bytes, their names, and how much to send with them in MiB.
const CHUNKS: [(u64, &str, u64); 5] = [
    (64, "64 B", 32),
    (1 << 10, "1 KiB", 256),
    (8 << 10, "8 KiB", 1024),
    (64 << 10, "64 KiB", 2048),
    (1 << 20, "1 MiB", 2048),
];

pub(crate) fn chunks(context: &Context) -> io::Result<Section> {
    let peers = context.named(&[OURS, NCAT, OPENBSD, SOCAT, SOCAT_1M, LIMIT]);
    let metrics: Vec<Metric> = CHUNKS.iter().map(|(_, name, _)| brief(name)).collect();
    let rows = interleave(&peers, &metrics, context.pick(5, 1), |peer, _| {
        let speed = |&(chunk, _, mib): &(u64, &str, u64)| {
            let bytes = context.pick(mib, mib / 8) << 20;
            Ok(one_way(context, peer, bytes, Input::Feeder(chunk), Check::Count)?[0])
        };
        CHUNKS.iter().map(speed).collect()
    });
    Ok(Section {
        id: "chunks",
        title: "pipe → socket → pipe by the size of the writer's pieces, GB/s".to_owned(),
        how: "as `pipe`, but the feeder writes pieces of the size at the head of the column."
            .to_owned(),
        metrics,
        rows,
        ..Section::default()
    })
}

/// Clients at once. Debian's ncat uses select and cannot pass 1,024 descriptors.
const CROWDS: [(u32, &str); 4] = [(1, "1"), (100, "100"), (900, "900"), (10_000, "10,000")];
const SELECT_MAX: u32 = 900;

pub(crate) fn crowds(context: &Context) -> io::Result<Section> {
    let peers = context.named(&[OURS, NCAT]);
    let metrics: Vec<Metric> = CROWDS.iter().map(|(_, name)| brief(name)).collect();
    let bytes = context.pick(1024, 128) << 20;
    let rows = interleave(&peers, &metrics, context.pick(5, 1), |peer, _| {
        // What a tool cannot do, or does not finish, has no speed: 0 says it.
        let speed = |clients| match peer.name {
            OURS => crowd(context, peer, clients, bytes),
            _ if clients > SELECT_MAX => Ok(0.0),
            _ => Ok(crowd(context, peer, clients, bytes).unwrap_or(0.0)),
        };
        CROWDS.iter().map(|&(clients, _)| speed(clients)).collect()
    });
    let mut section = Section {
        id: "crowds",
        title: "-k discard by the number of clients, GB/s".to_owned(),
        how: format!(
            "`X -l -k -m N 127.0.0.1 PORT | sink` with N clients of the bench that send {} MiB in all, once \
             all are connected; until the sink has everything.",
            bytes >> 20
        ),
        metrics,
        rows,
        notes: vec![
            "0: not finished in time, or, with 10,000, impossible: Debian's ncat uses select."
                .to_owned(),
        ],
        ..Section::default()
    };
    for index in 0..3 {
        section.at_least(index, 1.0, NCAT);
    }
    Ok(section)
}

fn crowd(context: &Context, peer: &Peer, clients: u32, bytes: u64) -> Result<f64, Fault> {
    let mut held = Vec::new();
    let mut output = None;
    let (mut server, port) = start_listener(Net::Tcp, |port| {
        let (silent, keep) = pipe()?;
        let (read, write) = pipe()?;
        held.push(keep);
        output = Some(read);
        context.start(peer, Job::ListenMany(clients + 10), port, Stdio2::new(silent, write))
    })?;
    let output = output.ok_or_else(|| Fault::failed("no server was started"))?;
    let mut sink = Sink::start(context, output, &format!("{bytes} --on"), Check::Count)?;
    let (wait, go) = pipe()?;
    let (says, stdout) = pipe()?;
    let flood = format!("flood {port} {clients} {bytes}");
    let mut flood = context.start_limit(&flood, Stdio2::new(wait, stdout))?;
    let _dog = flood.watchdog(patience(context))?;
    let mut line = String::new();
    BufReader::new(says).read_line(&mut line)?;
    if line.trim() != "ready" {
        return Err(Fault::Failed(flood.complaint()));
    }
    let start = Instant::now();
    drop(go);
    let end = sink.reached(bytes, patience(context))?;
    server.kill()?;
    Ok(bytes as f64 / 1e9 / (end - start).as_secs_f64())
}
