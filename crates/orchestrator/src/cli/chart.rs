//! Series as lines of blocks, for terminals: a glance at what a table says in numbers.

use super::clock::local;
use super::language::say_text;
use super::output::text_of;
use ecp_core::Timestamp;
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Columns of the widest and of the narrowest chart.
const WIDTHS: (usize, usize) = (120, 10);

/// A line for each series of the monitoring call, with newest value, mean and maximum, in so many columns.
pub(super) fn text(answer: &Value, width: usize) -> String {
    let range = &answer["time_range"];
    let (start, end) = (text_of(&range["start"]), text_of(&range["end"]));
    let series: Vec<_> = answer["metrics"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(name, points)| Some((name, points.as_array().filter(|points| !points.is_empty())?)))
        .collect();
    let summary = |name: &str| answer["summary"][name].as_f64().unwrap_or(0.0);
    let rows: Vec<_> = series
        .iter()
        .map(|(name, points)| {
            let last = points.last().and_then(|point| point["value"].as_f64()).unwrap_or(0.0);
            let [last, mean, most] = [last, summary(&format!("avg_{name}")), summary(&format!("max_{name}"))]
                .map(|value| with_unit(name, value));
            (
                *name,
                *points,
                format!("{last}  ({})", say_text!("cli.mean_and_most", mean = mean, most = most)),
            )
        })
        .collect();
    let names = rows.iter().map(|(name, _, _)| name.width()).max().unwrap_or(0);
    let told = rows.iter().map(|(_, _, told)| told.width()).max().unwrap_or(0);
    let columns = width.saturating_sub(names + told + 4).clamp(WIDTHS.1, WIDTHS.0);
    let all = rows.iter().map(|(_, points, _)| points.as_slice());
    let columns = columns.min(steps(all, &start, &end).max(WIDTHS.1));
    let mut lines: Vec<String> = rows
        .iter()
        .map(|(name, points, told)| {
            let top = if unit(name) == Unit::Percent { Some(100.0) } else { None };
            format!("{name:<names$}  {}  {told}", line(points, &start, &end, columns, top))
        })
        .collect();
    if !lines.is_empty() {
        let (start, end) = (local(&start), local(&end));
        let gap = columns.saturating_sub(start.len() + end.len()).max(1);
        lines.push(format!("{:names$}  {start}{:gap$}{end}", "", ""));
    }
    lines.join("\n")
}

/// Steps of the time range, by the closest two points of any series: more columns would leave gaps.
fn steps<'a>(series: impl Iterator<Item = &'a [Value]>, start: &str, end: &str) -> usize {
    let at = |text: &str| text.parse::<Timestamp>().map_or(0, Timestamp::as_second);
    let time = |point: &Value| at(&text_of(&point["timestamp"]));
    let closest = series
        .flat_map(|points| points.windows(2).map(|pair| time(&pair[1]) - time(&pair[0])).collect::<Vec<_>>())
        .filter(|seconds| *seconds > 0)
        .min();
    closest.and_then(|seconds| usize::try_from((at(end) - at(start)) / seconds).ok()).unwrap_or(WIDTHS.0)
}

/// The averages of a series over time, a block for each column; a column without samples is empty.
fn line(points: &[Value], start: &str, end: &str, columns: usize, top: Option<f64>) -> String {
    let at = |text: &str| text.parse::<Timestamp>().map_or(0, Timestamp::as_second);
    let (start, end) = (at(start), at(end));
    let span = (end - start).max(1);
    let mut cells: Vec<(f64, u32)> = vec![(0.0, 0); columns];
    for point in points {
        let (time, value) = (at(&text_of(&point["timestamp"])), point["value"].as_f64().unwrap_or(0.0));
        let place = (time - start).clamp(0, span) as usize * columns / (span as usize + 1);
        if let Some((sum, count)) = cells.get_mut(place) {
            *sum += value;
            *count += 1;
        }
    }
    let means: Vec<Option<f64>> =
        cells.iter().map(|(sum, count)| (*count > 0).then(|| sum / f64::from(*count))).collect();
    let most = means.iter().flatten().copied().fold(0.0, f64::max);
    let top = top.unwrap_or(most).max(f64::MIN_POSITIVE);
    let block = |mean: Option<f64>| match mean {
        None => ' ',
        Some(mean) => {
            let height = (mean / top * BLOCKS.len() as f64).floor().max(0.0) as usize;
            BLOCKS[height.min(BLOCKS.len() - 1)]
        }
    };
    means.into_iter().map(block).collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Percent,
    Milliseconds,
    Bytes,
    BytesASecond,
    Count,
}

fn unit(series: &str) -> Unit {
    match series {
        "cpu" | "memory" | "gpu" | "error_rate" => Unit::Percent,
        "response_time" => Unit::Milliseconds,
        "storage" => Unit::Bytes,
        "network_in" | "network_out" => Unit::BytesASecond,
        _ => Unit::Count,
    }
}

/// A value of a series with its unit.
pub(super) fn with_unit(series: &str, value: f64) -> String {
    match unit(series) {
        Unit::Percent => format!("{value:.1}%"),
        Unit::Milliseconds => format!("{value:.0}ms"),
        Unit::Bytes => bytes(value),
        Unit::BytesASecond => format!("{}/s", bytes(value)),
        Unit::Count => format!("{value:.0}"),
    }
}

fn bytes(value: f64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut rest = value;
    let mut unit = 0;
    while rest >= 1024.0 && unit + 1 < units.len() {
        rest /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{rest:.0}B") } else { format!("{rest:.1}{}", units[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_series_is_a_line_of_blocks_with_its_unit() {
        let answer = json!({
            "time_range": {"start": "2026-11-26T00:00:00Z", "end": "2026-11-26T01:00:00Z"},
            "metrics": {
                "cpu": [{"timestamp": "2026-11-26T00:00:00Z", "value": 0.0},
                        {"timestamp": "2026-11-26T00:30:00Z", "value": 50.0},
                        {"timestamp": "2026-11-26T00:59:00Z", "value": 100.0}],
                "network_in": [{"timestamp": "2026-11-26T00:00:00Z", "value": 1536.0}],
                "gpu": []},
            "summary": {"avg_cpu": 50.0, "max_cpu": 100.0, "avg_network_in": 1536.0, "max_network_in": 1536.0},
        });
        let text = text(&answer, 60);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert_eq!(lines[0], "cpu         ▁   ▅    █  100.0%  (avg 50.0%, max 100.0%)");
        assert!(
            lines[1].starts_with("network_in  █ ")
                && lines[1].ends_with("1.5KiB/s  (avg 1.5KiB/s, max 1.5KiB/s)")
        );
    }
}
