//! `cargo xtask plots`: the last bench run as `docs/benchmarks.md`, with plots drawn from its JSON.

mod draw;
mod figures;

use std::fmt::Write as _;

use serde_json::Value;

use crate::step::{root, target_dir};
use draw::{Chart, Scale};
use figures::Figures;

/// A plot: which workload, what its columns are, and how to draw them.
struct Plot {
    file: &'static str,
    workload: &'static str,
    chart: Chart<'static>,
    /// A column's place on the x axis; None leaves it out.
    place: fn(&str) -> Option<f64>,
}

const PLOTS: &[Plot] = &[
    Plot {
        file: "chunks.svg",
        workload: "chunks",
        chart: Chart {
            title: "Throughput by the size of the writer's pieces",
            x: "bytes per write",
            y: "GB/s",
            scale: Scale::Linear,
        },
        place: size,
    },
    Plot {
        file: "crowds.svg",
        workload: "crowds",
        chart: Chart {
            title: "Throughput by the number of clients",
            x: "clients",
            y: "GB/s",
            scale: Scale::Linear,
        },
        place: count,
    },
    Plot {
        file: "memory.svg",
        workload: "memory",
        chart: Chart {
            title: "Resident memory by the number of idle clients",
            x: "clients",
            y: "MiB",
            scale: Scale::Logarithmic,
        },
        place: count,
    },
    Plot {
        file: "latency.svg",
        workload: "pingpong",
        chart: Chart {
            title: "64-byte round trip by percentile",
            x: "one in so many is slower",
            y: "µs",
            scale: Scale::Linear,
        },
        place: rarity,
    },
];

/// The task.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    if !args.is_empty() {
        return Err("usage: cargo xtask plots".into());
    }
    let read = |name: &str| {
        let path = target_dir().join(name);
        std::fs::read_to_string(&path)
            .map_err(|e| format!("{}: {e}\n  hint: cargo xtask bench --urgent", path.display()))
    };
    let json: Value = serde_json::from_str(&read("bench.json")?).map_err(|e| e.to_string())?;
    let table = read("bench.md")?;
    let dir = root().join("docs/benchmarks");
    std::fs::create_dir_all(&dir).map_err(|e| e.to_string())?;
    let mut page = String::from(
        "# Benchmarks\n\nOne run of `cargo xtask bench --urgent`, every tool in turn on the same machine; figures of \
         other runs or machines are not comparable, ratios of one run are. `cargo xtask plots` writes this page.\n",
    );
    for plot in PLOTS {
        let figures = Figures::of(&json, plot.workload, plot.place);
        if figures.lines.is_empty() {
            continue;
        }
        draw::draw(&dir.join(plot.file), &plot.chart, &figures)?;
        // Writing to a String cannot fail.
        let _ = write!(page, "\n![{}](benchmarks/{})\n", plot.chart.title, plot.file);
    }
    // The run's own page has a heading of the same rank.
    page.push('\n');
    page.push_str(&table.replacen("# Bench\n", "# The run\n", 1));
    std::fs::write(root().join("docs/benchmarks.md"), page).map_err(|e| e.to_string())
}

/// `64 KiB` in bytes.
fn size(column: &str) -> Option<f64> {
    let (number, unit) = column.split_once(' ')?;
    let unit = match unit {
        "B" => 1.0,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * unit)
}

/// `10,000`.
fn count(column: &str) -> Option<f64> {
    column.replace(',', "").parse().ok()
}

/// `p99 µs` as 100: one in a hundred is slower.
fn rarity(column: &str) -> Option<f64> {
    let percent: f64 = column.strip_prefix('p')?.split(' ').next()?.parse().ok()?;
    Some(100.0 / (100.0 - percent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_their_places() {
        assert_eq!(size("64 B"), Some(64.0));
        assert_eq!(size("1 MiB"), Some(1_048_576.0));
        assert_eq!(size("peak RSS MiB"), None);
        assert_eq!(count("10,000"), Some(10_000.0));
        assert_eq!(count("CPU"), None);
        assert_eq!(rarity("p50 µs"), Some(2.0));
        assert!((rarity("p99.9 µs").unwrap() - 1000.0).abs() < 1e-6);
        assert_eq!(rarity("µs"), None);
    }
}
