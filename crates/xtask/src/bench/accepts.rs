//! Clients that come and are closed, one after the other.

use std::io::{self, Read as _, pipe};
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use super::Context;
use super::child::{Child, Stdio2};
use super::net::{Net, start_listener};
use super::peers::NCAT;
use super::report::{Fault, Metric, OURS, Row, Section, State, brief, full};
use super::transfer::patience;

const METRICS: [Metric; 2] = [full("connections/s"), brief("CPU µs each")];
/// nginx as a server that closes whoever comes.
const NGINX: &str = "nginx stream";

pub(crate) fn run(context: &Context) -> io::Result<Section> {
    let count: u64 = context.pick(10_000, 2_000);
    let mut rows = vec![
        Row::new(OURS, true, METRICS.len()),
        Row::new(NCAT, context.named(&[NCAT])[0].present, METRICS.len()),
        Row::new(NGINX, Path::new("/usr/sbin/nginx").is_file(), METRICS.len()),
    ];
    for _ in 0..context.pick(5, 1) {
        for row in &mut rows {
            if row.state == State::Ran {
                let name = row.peer.clone();
                row.record(accept(context, &name, count));
            }
        }
    }
    let mut section = Section {
        id: "accepts",
        title: "accept and close".to_owned(),
        how: format!(
            "{count} clients one after the other, each until it is closed: `X -l -k --deny 127.0.0.1`; \
             nginx's stream module with one process and `return ''`."
        ),
        metrics: METRICS.into(),
        rows,
        ..Section::default()
    };
    section.at_least(0, 1.0, NCAT);
    section.at_least(0, 1.0, NGINX);
    Ok(section)
}

fn accept(context: &Context, name: &str, count: u64) -> Result<Vec<f64>, Fault> {
    let (mut server, port) = start_listener(Net::Tcp, |port| closer(context, name, port))?;
    let (mut says, stdout) = pipe()?;
    let args = format!("connects {port} {count}");
    let mut clients = context.start_limit(&args, Stdio2::new(Stdio::null(), stdout))?;
    clients.success(Instant::now() + patience(context))?;
    let mut text = String::new();
    says.read_to_string(&mut text)?;
    let rate = text.trim().parse().map_err(|_| Fault::Failed(format!("limit said {text:?}")))?;
    let used = server.kill()?;
    Ok(vec![rate, used.cpu_seconds() * 1e6 / count as f64])
}

/// A server that closes whoever connects.
fn closer(context: &Context, name: &str, port: u16) -> Result<Child, Fault> {
    if name != NGINX {
        let peer = context.named(&[if name == OURS { OURS } else { NCAT }])[0];
        let args = format!("-l -k --deny 127.0.0.1 127.0.0.1 {port}");
        let args: Vec<String> = args.split_whitespace().map(str::to_owned).collect();
        return Ok(Child::start(&peer.program, &args, Stdio2::null(), &context.scratch)?);
    }
    let module = "/usr/lib/nginx/modules/ngx_stream_module.so";
    let load = match Path::new(module).is_file() {
        true => format!("load_module {module};"),
        false => String::new(),
    };
    let scratch = context.scratch.display();
    let text = format!(
        "{load} daemon off; master_process off; pid {scratch}/nginx.pid; error_log /dev/null;\n\
         events {{ worker_connections 1024; }}\n\
         stream {{ server {{ listen 127.0.0.1:{port}; return ''; }} }}\n"
    );
    let path = context.scratch.join("nginx-accepts.conf");
    std::fs::write(&path, text)?;
    let args = ["-c".to_owned(), path.display().to_string()];
    Ok(Child::start("/usr/sbin/nginx".as_ref(), &args, Stdio2::null(), &context.scratch)?)
}
