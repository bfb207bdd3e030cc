//! Writes a report as Markdown.

use std::fmt::Write as _;

use super::report::{OURS, Report, Row, Section, State, Verdict};

/// The whole report.
pub(crate) fn render(report: &Report) -> String {
    let mut out = String::from("# Bench\n\n");
    for (name, value) in &report.facts {
        line(&mut out, &format!("- {name}: {value}"));
    }
    for section in &report.sections {
        out.push('\n');
        out.push_str(&render_section(section));
    }
    let verdicts: Vec<&Verdict> = report.sections.iter().flat_map(|s| &s.verdicts).collect();
    let count = |pass| verdicts.iter().filter(|v| v.pass == pass).count();
    line(
        &mut out,
        &format!(
            "\n{} targets met, {} missed, {} not judged",
            count(Some(true)),
            count(Some(false)),
            count(None)
        ),
    );
    out
}

/// One section, so that a long run can show each as it ends.
pub(crate) fn render_section(section: &Section) -> String {
    let mut out = format!("## {}: {}\n\n{}\n\n", section.id, section.title, section.how);
    let mut header = vec!["peer".to_owned()];
    for metric in &section.metrics {
        header.push(metric.name.to_owned());
        if metric.full {
            header.extend(["min", "max", "ours/peer"].map(str::to_owned));
        }
    }
    line(&mut out, &cells(&header));
    let rule = header.iter().enumerate().map(|(i, _)| if i == 0 { "---" } else { "---:" });
    line(&mut out, &format!("|{}|", rule.collect::<Vec<_>>().join("|")));
    for row in &section.rows {
        line(&mut out, &cells(&row_cells(section, row, header.len())));
    }
    if !section.verdicts.is_empty() {
        line(&mut out, "\n| target | measured | |\n|---|---:|---|");
    }
    for verdict in &section.verdicts {
        let measured = verdict.measured.map_or_else(|| "-".to_owned(), figure);
        let pass = match verdict.pass {
            Some(true) => "PASS",
            Some(false) => "**FAIL**",
            None => "not judged",
        };
        line(&mut out, &cells(&[verdict.target.clone(), measured, pass.to_owned()]));
    }
    for note in &section.notes {
        line(&mut out, &format!("\nNote: {note}"));
    }
    out
}

fn row_cells(section: &Section, row: &Row, width: usize) -> Vec<String> {
    let mut out = vec![row.peer.clone()];
    let why = match &row.state {
        State::Ran => None,
        State::Missing => Some("missing".to_owned()),
        State::Hung(why) => Some(format!("hung: {why}")),
        State::Failed(why) => Some(format!("failed: {why}")),
    };
    if let Some(why) = why {
        // A bar or a line break in a tool's message would break the table.
        out.push(why.replace('|', "/").replace('\n', " "));
        out.resize(width, String::new());
        return out;
    }
    for (index, metric) in section.metrics.iter().enumerate() {
        let summary = row.summary(index);
        let show = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), figure);
        out.push(show(summary.map(|s| s.median)));
        if metric.full {
            out.push(show(summary.map(|s| s.min)));
            out.push(show(summary.map(|s| s.max)));
            let ratio = if row.peer == OURS { None } else { section.ratio(index, &row.peer) };
            out.push(ratio.map_or_else(|| "-".to_owned(), |r| format!("{}×", figure(r))));
        }
    }
    out
}

/// Three significant digits at least, and no decimals where they would be noise. An infinite time
/// is one that was not reached.
fn figure(value: f64) -> String {
    let size = value.abs();
    if size.is_infinite() {
        "never".to_owned()
    } else if size >= 100.0 || value == 0.0 {
        format!("{value:.0}")
    } else if size >= 10.0 {
        format!("{value:.1}")
    } else if size >= 0.1 {
        format!("{value:.2}")
    } else {
        format!("{value:.4}")
    }
}

fn cells(cells: &[String]) -> String {
    format!("| {} |", cells.join(" | "))
}

fn line(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect("a String takes every write");
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::sample_section;
    use super::*;

    #[test]
    fn a_section_as_markdown() {
        let expected = "\
## file: file to socket

X < file

| peer | GB/s | min | max | ours/peer | CPU s/GB |
|---|---:|---:|---:|---:|---:|
| ours | 2.50 | 2.00 | 3.00 | - | 0.45 |
| slow | 1.00 | 1.00 | 1.00 | 2.50× | 2.00 |
| stuck | hung: after 5 s |  |  |  |  |
| absent | missing |  |  |  |  |

| target | measured | |
|---|---:|---|
| GB/s ≥ 2 × slow | 2.50 | PASS |
| GB/s ≥ 3 × slow | 2.50 | **FAIL** |
| CPU s/GB ≤ 0.5 × slow | 0.23 | PASS |
| GB/s ≥ 1 × absent | - | not judged |
";
        assert_eq!(render_section(&sample_section()), expected);
    }

    #[test]
    fn a_report_counts_its_targets() {
        let report = Report {
            facts: vec![("kernel".into(), "6.18".into())],
            sections: vec![sample_section()],
        };
        let text = render(&report);
        assert!(text.starts_with("# Bench\n\n- kernel: 6.18\n\n## file"), "{text}");
        assert!(text.ends_with("\n2 targets met, 1 missed, 1 not judged\n"), "{text}");
        assert!(report.any_failed());
    }

    #[test]
    fn a_message_cannot_break_the_table() {
        let mut section = sample_section();
        section.rows[0].state = State::Failed("a|b\nc".into());
        assert!(render_section(&section).contains("| failed: a/b c |"));
    }
}
