//! Lines on two axes, as SVG.

use std::path::Path;

use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

use super::figures::Figures;

/// How the y axis runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    Linear,
    Logarithmic,
}

/// What is written around the lines. The x axis is logarithmic.
#[derive(Debug)]
pub(super) struct Chart<'a> {
    pub(super) title: &'a str,
    pub(super) x: &'a str,
    pub(super) y: &'a str,
    pub(super) scale: Scale,
}

/// Ours first; told apart also without colours, by the order of the legend.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 90, 181),
    RGBColor(220, 50, 32),
    RGBColor(0, 128, 64),
    RGBColor(230, 140, 0),
    RGBColor(128, 64, 160),
    RGBColor(110, 110, 110),
    RGBColor(0, 0, 0),
];
const SIZE: (u32, u32) = (760, 420);

/// Writes `chart` to `file`.
pub(super) fn draw(file: &Path, chart: &Chart<'_>, figures: &Figures) -> Result<(), String> {
    let [x, y] = figures.bounds();
    let x = (x.0..x.1 * 1.1).log_scale();
    match chart.scale {
        Scale::Linear => axes(file, chart, figures, x, 0.0..y.1 * 1.1),
        Scale::Logarithmic => axes(file, chart, figures, x, (y.0 / 1.5..y.1 * 1.5).log_scale()),
    }
    .map_err(|e| format!("{}: {e}", file.display()))
}

fn axes<X, Y>(
    file: &Path,
    chart: &Chart<'_>,
    figures: &Figures,
    x: X,
    y: Y,
) -> Result<(), Box<dyn std::error::Error>>
where
    X: AsRangedCoord<Value = f64>,
    Y: AsRangedCoord<Value = f64>,
    X::CoordDescType: ValueFormatter<f64>,
    Y::CoordDescType: ValueFormatter<f64>,
{
    let area = SVGBackend::new(file, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut plot = ChartBuilder::on(&area)
        .caption(chart.title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(x, y)?;
    plot.configure_mesh()
        .x_desc(chart.x)
        .y_desc(chart.y)
        .x_label_formatter(&|value| short(*value))
        .y_label_formatter(&|value| short(*value))
        .light_line_style(WHITE)
        .draw()?;
    for ((name, points), colour) in figures.lines.iter().zip(COLOURS.iter().cycle()) {
        let style = colour.stroke_width(2);
        plot.draw_series(LineSeries::new(points.iter().copied(), style))?
            .label(name.as_str())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        plot.draw_series(points.iter().map(|point| Circle::new(*point, 3, colour.filled())))?;
    }
    plot.configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    area.present()?;
    Ok(())
}

/// A number of an axis: `64`, `1k`, `1M`, `0.25`.
fn short(value: f64) -> String {
    let with = |value: f64, unit: &str| match value < 10.0 && value.fract() > 0.05 {
        true => format!("{value:.1}{unit}"),
        false => format!("{value:.0}{unit}"),
    };
    match value {
        v if v >= 1e6 => with(v / 1e6, "M"),
        v if v >= 1e3 => with(v / 1e3, "k"),
        v if v > 0.0 && v < 0.1 => format!("{v:.2}"),
        v => with(v, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let all: Vec<String> =
            [0.0, 0.05, 2.5, 64.0, 1024.0, 65536.0, 1_048_576.0].map(short).into();
        assert_eq!(all, ["0", "0.05", "2.5", "64", "1k", "66k", "1M"]);
    }

    #[test]
    fn a_plot_is_drawn() {
        let file = std::env::temp_dir().join(format!("plot-{}.svg", std::process::id()));
        let lines = vec![("ours".to_owned(), vec![(1.0, 2.0), (100.0, 3.0)])];
        for scale in [Scale::Linear, Scale::Logarithmic] {
            let chart = Chart { title: "A title", x: "clients", y: "GB/s", scale };
            draw(&file, &chart, &Figures { lines: lines.clone() }).unwrap();
            let text = std::fs::read_to_string(&file).unwrap();
            assert!(text.starts_with("<svg") && text.contains("A title") && text.contains("ours"));
        }
        std::fs::remove_file(file).unwrap();
    }
}
