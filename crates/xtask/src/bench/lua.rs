//! Filters: what one costs for each chunk, how fast what is native in them is, and starting with one.

use std::io::{self, Read as _, pipe};
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::child::Stdio2;
use super::report::{Fault, Metric, OURS, Row, Section, brief, full};
use super::{Context, net};

const PATIENCE: Duration = Duration::from_secs(120);
const NATIVES: [(&str, f64); 8] = [
    ("xor", 5.0),
    ("rot13", 5.0),
    ("hex", 5.0),
    ("base64", 2.0),
    ("unhex", 1.2),
    ("unbase64", 1.2),
    ("translate", 4.0),
    ("replace", 4.0),
];

/// What the limit program says when it is asked for something about filters.
fn ask(context: &Context, args: &str) -> Result<String, Fault> {
    let (mut says, stdout) = pipe()?;
    let mut child = context.start_limit(args, Stdio2::new(Stdio::null(), stdout))?;
    let mut text = String::new();
    says.read_to_string(&mut text)?;
    child.success(Instant::now() + PATIENCE)?;
    Ok(text)
}

fn number(text: &str) -> Result<f64, Fault> {
    text.trim().parse().map_err(|_| Fault::Failed(format!("limit said {text:?}")))
}

const PUMP_METRICS: [Metric; 4] = [
    full("µs per 16 KiB, one filter"),
    full("µs per 64 KiB, one filter"),
    brief("µs per 16 KiB, four filters"),
    brief("µs per 16 bytes, one filter"),
];

/// The null filter over a wire in memory.
pub(crate) fn pump(context: &Context) -> io::Result<Section> {
    let count = context.pick(100_000, 20_000);
    let once = || -> Result<Vec<f64>, Fault> {
        [(1, 16 << 10), (1, 64 << 10), (4, 16 << 10), (1, 16)]
            .map(|(layers, size)| {
                number(&ask(context, &format!("lua-pump null {layers} {size} {count}"))?)
            })
            .into_iter()
            .collect()
    };
    let mut row = Row::new(OURS, true, PUMP_METRICS.len());
    (0..context.pick(5, 2)).for_each(|_| row.record(once()));
    let mut section = Section {
        id: "lua",
        title: "the null filter in memory".to_owned(),
        how: format!(
            "{count} chunks from a wire in memory, processor time, the best of five batches."
        ),
        metrics: PUMP_METRICS.into(),
        rows: vec![row],
        ..Section::default()
    };
    let (small, large) = (section.median(OURS, 0), section.median(OURS, 1));
    section.judge("≤ 3 µs per 16 KiB".to_owned(), small, |time| time <= 3.0);
    section.judge("≤ 10 µs per 64 KiB".to_owned(), large, |time| time <= 10.0);
    let four = section.median(OURS, 2);
    let each = four.zip(small).map(|(four, one)| (four - one) / 3.0);
    section.judge("each further layer ≤ 0.1 µs".to_owned(), each, |time| time <= 0.1);
    Ok(section)
}

/// `bytes` on strings of 64 KiB.
pub(crate) fn natives(context: &Context) -> io::Result<Section> {
    let script = context.scratch.join("bytes.lua");
    std::fs::write(&script, include_str!("lua_bytes.lua"))?;
    let once = || -> Result<Vec<f64>, Fault> {
        let text = ask(context, &format!("lua-natives {}", script.display()))?;
        let rate = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            number(line.unwrap_or("nothing"))
        };
        NATIVES.iter().map(|(name, _)| rate(name)).collect()
    };
    let mut row = Row::new(OURS, true, NATIVES.len());
    (0..context.pick(5, 2)).for_each(|_| row.record(once()));
    let metrics = NATIVES.map(|(name, _)| full(name)).to_vec();
    let mut section = Section {
        id: "lua-natives",
        title: "native functions of filters, GB/s".to_owned(),
        how: "strings of 64 KiB, the result string included; the best of seven batches.".to_owned(),
        metrics,
        rows: vec![row],
        ..Section::default()
    };
    for (at, (name, least)) in NATIVES.iter().enumerate() {
        let rate = section.median(OURS, at);
        section.judge(format!("{name} ≥ {least} GB/s"), rate, |rate| rate >= *least);
    }
    Ok(section)
}

/// `-z` through one bundled filter.
pub(crate) fn start_up(context: &Context) -> io::Result<Section> {
    let listener = net::listen()?;
    let port = listener.local_addr()?.port();
    // As in `probe`: it ends with the bench.
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let program = &context.named(&[OURS])[0].program;
    let once = |filter: &[&str]| -> Result<Vec<f64>, Fault> {
        let port = port.to_string();
        let words = [filter, &["-z", "127.0.0.1", &port]].concat();
        let args: Vec<String> = words.into_iter().map(str::to_owned).collect();
        let began = Instant::now();
        let mut child =
            super::child::Child::start(program, &args, Stdio2::null(), &context.scratch)?;
        let ended = child.success(began + PATIENCE)?;
        Ok(vec![(ended.at - began).as_secs_f64() * 1e3, ended.resident_mib_max()])
    };
    let metrics = [full("ms"), brief("peak RSS MiB")];
    let mut rows = vec![Row::new(OURS, true, 2), Row::new("without a filter", true, 2)];
    for _ in 0..context.pick(50, 15) {
        rows[0].record(once(&["-L", "base64"]));
        rows[1].record(once(&[]));
    }
    let mut section = Section {
        id: "lua-start",
        title: "start-up: -z with one filter".to_owned(),
        how: "`ncat -L base64 -z 127.0.0.1 PORT`, and the same without the filter.".to_owned(),
        metrics: metrics.into(),
        rows,
        ..Section::default()
    };
    let time = section.median(OURS, 0);
    section.judge("≤ 8 ms".to_owned(), time, |ms| ms <= 8.0);
    Ok(section)
}
