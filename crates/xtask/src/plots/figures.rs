//! The medians of one workload, taken from a run's JSON.

use serde_json::Value;

/// A line per tool.
#[derive(Debug, PartialEq)]
pub(super) struct Figures {
    pub(super) lines: Vec<(String, Vec<(f64, f64)>)>,
}

impl Figures {
    /// The points of the workload `id`, in the order of x. A tool that did not run, or could not do a size
    /// (0), has no point there.
    pub(super) fn of(json: &Value, id: &str, place: fn(&str) -> Option<f64>) -> Self {
        let workloads = json["workloads"].as_array().into_iter().flatten();
        let rows = workloads
            .filter(|workload| workload["id"] == id)
            .flat_map(|workload| workload["rows"].as_array().into_iter().flatten());
        let lines = rows.filter_map(|row| {
            let metrics = row["metrics"].as_object()?;
            let mut points: Vec<(f64, f64)> = metrics
                .iter()
                .filter_map(|(name, value)| Some((place(name)?, value["median"].as_f64()?)))
                .filter(|&(_, y)| y > 0.0)
                .collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            (!points.is_empty()).then(|| (row["peer"].as_str().unwrap_or("?").to_owned(), points))
        });
        Self { lines: lines.collect() }
    }

    /// The least and the greatest of both axes.
    pub(super) fn bounds(&self) -> [(f64, f64); 2] {
        let all = || self.lines.iter().flat_map(|(_, points)| points);
        let range = |values: &mut dyn Iterator<Item = f64>| {
            values.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)))
        };
        [range(&mut all().map(|point| point.0)), range(&mut all().map(|point| point.1))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn medians_come_in_order_and_what_did_not_run_does_not() {
        let json = json!({"workloads": [
            {"id": "other", "rows": [{"peer": "x", "metrics": {"1": {"median": 9.0}}}]},
            {"id": "it", "rows": [
                {"peer": "ours", "metrics": {"10": {"median": 3.0}, "2": {"median": 4.0}, "note": {"median": 1}}},
                {"peer": "slow", "metrics": {"2": {"median": 1.0}, "10": {"median": 0.0}}},
                {"peer": "gone", "metrics": {}},
            ]},
        ]});
        let figures = Figures::of(&json, "it", |name| name.parse().ok());
        let lines = vec![
            ("ours".to_owned(), vec![(2.0, 4.0), (10.0, 3.0)]),
            ("slow".to_owned(), vec![(2.0, 1.0)]),
        ];
        assert_eq!(figures, Figures { lines });
        assert_eq!(figures.bounds(), [(2.0, 10.0), (1.0, 4.0)]);
    }
}
