//! Writes a report as JSON, with every sample, for whoever wants other statistics.

use serde_json::{Map, Value, json};

use super::report::{Report, Row, Section, State};

/// Raised when a reader of the file would have to change.
const VERSION: u32 = 1;

pub(crate) fn render(report: &Report) -> Value {
    let facts: Map<String, Value> =
        report.facts.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let sections: Vec<Value> = report.sections.iter().map(section).collect();
    json!({ "version": VERSION, "machine": facts, "workloads": sections })
}

fn section(section: &Section) -> Value {
    let verdicts: Vec<Value> = section
        .verdicts
        .iter()
        .map(|v| json!({ "target": v.target, "measured": v.measured, "pass": v.pass }))
        .collect();
    let rows: Vec<Value> = section.rows.iter().map(|r| row(section, r)).collect();
    json!({
        "id": section.id, "title": section.title, "how": section.how,
        "rows": rows, "targets": verdicts, "notes": section.notes,
    })
}

fn row(section: &Section, row: &Row) -> Value {
    let (state, why) = match &row.state {
        State::Ran => ("ran", None),
        State::Missing => ("missing", None),
        State::Hung(why) => ("hung", Some(why)),
        State::Failed(why) => ("failed", Some(why)),
    };
    let metrics: Map<String, Value> = section
        .metrics
        .iter()
        .enumerate()
        .filter_map(|(index, metric)| {
            let s = row.summary(index)?;
            let value = json!({
                "median": s.median, "min": s.min, "max": s.max, "runs": s.runs,
                "samples": row.samples[index], "ours_over_peer": section.ratio(index, &row.peer),
            });
            Some((metric.name.to_owned(), value))
        })
        .collect();
    json!({ "peer": row.peer, "state": state, "why": why, "metrics": metrics })
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::sample_section;
    use super::*;

    #[test]
    fn every_figure_is_there() {
        let report = Report {
            facts: vec![("kernel".into(), "6.18".into())],
            sections: vec![sample_section()],
        };
        let value = render(&report);
        assert_eq!(value["version"], 1);
        assert_eq!(value["machine"]["kernel"], "6.18");
        let rows = &value["workloads"][0]["rows"];
        assert_eq!(rows[0]["metrics"]["GB/s"]["median"], 2.5);
        assert_eq!(rows[0]["metrics"]["GB/s"]["samples"], json!([3.0, 2.0]));
        assert_eq!(rows[1]["metrics"]["GB/s"]["ours_over_peer"], 2.5);
        assert_eq!(rows[2]["state"], "hung");
        assert_eq!(rows[2]["why"], "after 5 s");
        assert_eq!(rows[2]["metrics"], json!({}));
        assert_eq!(rows[3]["state"], "missing");
        assert_eq!(value["workloads"][0]["targets"][3]["pass"], Value::Null);
        let text = value.to_string();
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
