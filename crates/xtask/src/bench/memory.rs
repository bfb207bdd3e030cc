//! How memory grows with the crowd. The columns are numbers of idle clients.

use std::io::{self, pipe};

use super::Context;
use super::child::Stdio2;
use super::idle::{PACE, resident_kib, settled_descriptors};
use super::net::{Net, connect, start_listener};
use super::peers::{Job, NCAT, Peer};
use super::report::{Fault, Metric, OURS, Row, Section, State, brief};

const COUNTS: [(u32, &str); 5] =
    [(1, "1"), (100, "100"), (900, "900"), (3_000, "3,000"), (10_000, "10,000")];
/// Debian's ncat uses select and cannot pass 1,024 descriptors.
const SELECT_MAX: u32 = 900;
/// Ours as a broker.
const BROKER: &str = "ours, broker";
const NCAT_BROKER: &str = "ncat, broker";

pub(crate) fn run(context: &Context) -> io::Result<Section> {
    let metrics: Vec<Metric> = COUNTS.iter().map(|(_, name)| brief(name)).collect();
    let rows =
        [(OURS, OURS, false), (BROKER, OURS, true), (NCAT, NCAT, false), (NCAT_BROKER, NCAT, true)];
    let rows = rows.map(|(name, peer, is_broker)| {
        let peer = context.named(&[peer])[0];
        let mut row = Row::new(name, peer.present, metrics.len());
        for _ in 0..context.pick(3, 1) {
            if row.state == State::Ran {
                row.record(once(context, peer, is_broker));
            }
        }
        row
    });
    Ok(Section {
        id: "memory",
        title: "resident memory by the number of idle clients, MiB".to_owned(),
        how: "`X -l -k -m N` and `X -l --broker -m N`; resident memory of the server when so many are connected."
            .to_owned(),
        metrics,
        rows: rows.into(),
        notes: vec!["0: Debian's ncat uses select and cannot pass 1,024 descriptors.".to_owned()],
        ..Section::default()
    })
}

fn once(context: &Context, peer: &Peer, is_broker: bool) -> Result<Vec<f64>, Fault> {
    let most = if peer.name == OURS { COUNTS[COUNTS.len() - 1].0 } else { SELECT_MAX };
    let job = if is_broker { Job::Broker(most + 10) } else { Job::ListenMany(most + 10) };
    let mut held = Vec::new();
    let (mut server, port) = start_listener(Net::Tcp, |port| {
        let (silent, keep) = pipe()?;
        held.push(keep);
        context.start(peer, job, port, Stdio2::new(silent, std::process::Stdio::null()))
    })?;
    let before = settled_descriptors(&mut server, usize::MAX)?;
    let mut clients = Vec::new();
    let mut sizes = Vec::new();
    for (count, _) in COUNTS {
        if count > most {
            sizes.push(0.0);
            continue;
        }
        while clients.len() < count as usize {
            clients.push(connect(port)?);
            std::thread::sleep(PACE);
        }
        settled_descriptors(&mut server, before + count as usize)?;
        sizes.push(resident_kib(&server)? as f64 / 1024.0);
    }
    Ok(sizes)
}
