//! From an operator's load test of a device to the catalog's figures of it.
//!
//! A device that works on all of its requests at once answers in `R = S / (1 - X / C)` at a throughput `X`,
//! where `S` is its time on an idle device and `C` what it can do at most. So `X = C - C S / R`: a straight line
//! over `1 / R`, whose intercept and slope are fitted by least squares. The spread is a jackknife's: how far the
//! fits lie apart that leave out one measurement each.

use crate::catalog::{Catalog, Device, DeviceFigure, FigureSource, Provenance, ServiceTimes};
use crate::text::{Language, Message};
use std::fmt;

/// Fewest measurements that a line and its spread are fitted to.
pub const FEWEST: usize = 4;
/// Deviations that a spread stands for: 95 of 100 fits are within them.
const DEVIATIONS: f64 = 1.96;
/// By how much throughput may differ from concurrency over latency (Little's law), for either to be believed.
const LITTLE: f64 = 0.25;

/// What the requests of a load test are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Figure {
    /// Utterances that the cache has; throughput is seconds of speech a second, which are channels.
    TtsCached,
    /// Utterances that it has not; throughput as there.
    TtsUncached,
    /// Nlp queries; throughput is queries a second.
    Nlp,
    /// Aicm searches; throughput is searches a second.
    Aicm,
}

impl Figure {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::TtsUncached, Self::TtsCached, Self::Nlp, Self::Aicm];

    /// The spelling of the column `stage`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TtsCached => "tts_cached",
            Self::TtsUncached => "tts_uncached",
            Self::Nlp => "nlp",
            Self::Aicm => "aicm",
        }
    }

    /// The device's key in the catalog.
    pub fn key(self) -> DeviceFigure {
        match self {
            Self::TtsCached => DeviceFigure::TtsChannelsCached,
            Self::TtsUncached => DeviceFigure::TtsChannelsUncached,
            Self::Nlp => DeviceFigure::NlpQueriesPerSecond,
            Self::Aicm => DeviceFigure::AicmSearchesPerSecond,
        }
    }

    fn of_mut(self, device: &mut Device) -> &mut f64 {
        match self {
            Self::TtsCached => &mut device.tts_channels_cached,
            Self::TtsUncached => &mut device.tts_channels_uncached,
            Self::Nlp => &mut device.nlp_queries_per_second,
            Self::Aicm => &mut device.aicm_searches_per_second,
        }
    }
}

/// One step of a load test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measurement {
    /// What was asked.
    pub figure: Figure,
    /// Requests that were on at once.
    pub concurrency: f64,
    /// Mean response time in milliseconds.
    pub latency_ms: f64,
    /// What the device did in a second.
    pub throughput: f64,
}

/// A figure and how far it may be off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The figure.
    pub value: f64,
    /// Half the width of the range that 95 of 100 such fits are in.
    pub spread: f64,
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} ± {:.1}", self.value, self.spread)
    }
}

/// What a load test says of a device and one kind of request.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// Which kind.
    pub figure: Figure,
    /// Milliseconds on an idle device.
    pub service_time_ms: Estimate,
    /// What it does in a second at most.
    pub capacity: Estimate,
    /// Measurements that it comes from.
    pub measurements: usize,
}

/// Why a load test is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CalibrationError {
    /// The first line is not the header.
    Header(String),
    /// A line has too few columns or too many.
    Columns {
        /// Counted from 1.
        line: usize,
        /// What stands there.
        given: String,
    },
    /// A line can not be read.
    Line {
        /// Counted from 1.
        line: usize,
        /// Which column.
        column: &'static str,
        /// What stands there.
        given: String,
        /// What is needed, as the key of a text.
        wanted: &'static str,
    },
    /// Throughput, concurrency and latency contradict each other.
    Contradiction {
        /// Counted from 1.
        line: usize,
        /// As given.
        concurrency: String,
        /// As given.
        latency_ms: String,
        /// As given.
        throughput: String,
        /// What the two others give.
        expected: String,
    },
    /// There are too few measurements of a stage.
    TooFew {
        /// Which stage.
        stage: &'static str,
        /// How many.
        given: usize,
    },
    /// The measurements are no queue's.
    NoQueue {
        /// Which stage.
        stage: &'static str,
    },
}

impl fmt::Display for CalibrationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message().render(Language::En))
    }
}

impl std::error::Error for CalibrationError {}

impl CalibrationError {
    /// Where it is and how to mend it, for people.
    pub fn message(&self) -> Message {
        match self {
            Self::Header(header) => Message::new("calibration.header").with("header", format!("{header:?}")),
            Self::Columns { line, given } => {
                Message::new("calibration.columns").with("line", line).with("given", format!("{given:?}"))
            }
            Self::Line { line, column, given, wanted } => {
                let at = Message::new("calibration.line").with("line", line).with("column", column);
                at.with("given", format!("{given:?}")).with_part("wanted", Message::new(wanted))
            }
            Self::Contradiction { line, concurrency, latency_ms, throughput, expected } => {
                let at = Message::new("calibration.contradiction").with("line", line);
                let given = at.with("concurrency", concurrency).with("latency_ms", latency_ms);
                given.with("throughput", throughput).with("expected", expected)
            }
            Self::TooFew { stage, given } => Message::new("calibration.too_few")
                .with("stage", stage)
                .with("given", given)
                .with("fewest", FEWEST),
            Self::NoQueue { stage } => Message::new("calibration.no_queue").with("stage", stage),
        }
    }
}

/// Reads a load test: CSV with the columns `stage`, `concurrency`, `latency_ms` and `throughput_per_second`,
/// in that order; lines that are empty or begin with `#` are left out.
///
/// # Errors
/// The first line that can not be used, and how to mend it.
pub fn read(text: &str) -> Result<Vec<Measurement>, CalibrationError> {
    let text = text.trim_start_matches('\u{feff}');
    let mut lines = (1..).zip(text.lines()).filter(|(_, line)| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with('#')
    });
    let header = lines.next().map_or("", |(_, line)| line.trim());
    if header != "stage,concurrency,latency_ms,throughput_per_second" {
        return Err(CalibrationError::Header(header.to_owned()));
    }
    lines.map(|(line, text)| measurement(line, text)).collect()
}

fn measurement(line: usize, text: &str) -> Result<Measurement, CalibrationError> {
    let cells: Vec<&str> = text.split(',').map(str::trim).collect();
    let [stage, concurrency, latency_ms, throughput] = cells[..] else {
        return Err(CalibrationError::Columns { line, given: text.to_owned() });
    };
    let figure = Figure::ALL.into_iter().find(|figure| figure.as_str() == stage);
    let figure = figure.ok_or_else(|| CalibrationError::Line {
        line,
        column: "stage",
        given: stage.to_owned(),
        wanted: "calibration.want_stage",
    })?;
    let number = |column: &'static str, given: &str| {
        let read = given.parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
        let wanted = "calibration.want_number";
        read.ok_or_else(|| CalibrationError::Line { line, column, given: given.to_owned(), wanted })
    };
    let read = Measurement {
        figure,
        concurrency: number("concurrency", concurrency)?,
        latency_ms: number("latency_ms", latency_ms)?,
        throughput: number("throughput_per_second", throughput)?,
    };
    // Channels are seconds of speech, not requests: what an utterance takes says nothing of its length.
    let counts_requests = matches!(figure, Figure::Nlp | Figure::Aicm);
    let expected = read.concurrency / read.latency_ms * 1000.0;
    if counts_requests && (read.throughput / expected - 1.0).abs() > LITTLE {
        return Err(CalibrationError::Contradiction {
            line,
            concurrency: concurrency.to_owned(),
            latency_ms: latency_ms.to_owned(),
            throughput: throughput.to_owned(),
            expected: format!("{expected:.1}"),
        });
    }
    Ok(read)
}

/// Fits every kind of request that was measured, in the catalog's order.
///
/// # Errors
/// A kind with too few measurements, or whose measurements are no queue's.
pub fn fit(measurements: &[Measurement]) -> Result<Vec<Fit>, CalibrationError> {
    let of = |figure: Figure| -> Vec<Measurement> {
        measurements.iter().copied().filter(|measurement| measurement.figure == figure).collect()
    };
    let measured = Figure::ALL.into_iter().map(|figure| (figure, of(figure)));
    measured.filter(|(_, of)| !of.is_empty()).map(|(figure, of)| fit_of(figure, &of)).collect()
}

fn fit_of(figure: Figure, measurements: &[Measurement]) -> Result<Fit, CalibrationError> {
    let stage = figure.as_str();
    let count = measurements.len();
    if count < FEWEST {
        return Err(CalibrationError::TooFew { stage, given: count });
    }
    let no_queue = || CalibrationError::NoQueue { stage };
    let all = line(measurements.iter()).ok_or_else(no_queue)?;
    let without = |left_out: usize| {
        let others = measurements.iter().enumerate().filter(|(index, _)| *index != left_out);
        line(others.map(|(_, measurement)| measurement))
    };
    let each: Vec<(f64, f64)> = (0..count).map(without).collect::<Option<_>>().ok_or_else(no_queue)?;
    let estimate = |value: f64, pick: fn(&(f64, f64)) -> f64| {
        let mean = each.iter().map(pick).sum::<f64>() / count as f64;
        let squares: f64 = each.iter().map(|one| (pick(one) - mean).powi(2)).sum();
        Estimate { value, spread: DEVIATIONS * (squares * (count - 1) as f64 / count as f64).sqrt() }
    };
    Ok(Fit {
        figure,
        service_time_ms: estimate(all.0, |fit| fit.0),
        capacity: estimate(all.1, |fit| fit.1),
        measurements: count,
    })
}

/// Service time in milliseconds and capacity of the straight line; none where it does not fall.
fn line<'m>(measurements: impl Iterator<Item = &'m Measurement>) -> Option<(f64, f64)> {
    let points: Vec<(f64, f64)> =
        measurements.map(|measurement| (1.0 / measurement.latency_ms, measurement.throughput)).collect();
    let count = points.len() as f64;
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / count;
    let covariance: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let variance: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    let slope = covariance / variance;
    let capacity = mean_y - slope * mean_x;
    let is_queue = slope.is_finite() && slope < 0.0 && capacity > 0.0;
    is_queue.then(|| (-slope / capacity, capacity))
}

/// The catalog's entry of a device, with what each figure comes from. What was not measured is the other
/// device's, and says so.
pub fn entry(catalog: &Catalog, name: &str, like: &Device, fits: &[Fit], source: &str, date: &str) -> String {
    let of = |figure: Figure| fits.iter().find(|fit| fit.figure == figure);
    let mut device = Device {
        name: name.to_owned(),
        service_time_ms: service_times(catalog.gpu.tts_cache_share, like, fits),
        sources: Vec::new(),
        ..like.clone()
    };
    let mut measured = Vec::new();
    let mut assumed =
        vec![DeviceFigure::MemoryGb, DeviceFigure::PowerWatts, DeviceFigure::ListPriceUsdPerHour];
    for figure in Figure::ALL {
        match of(figure) {
            Some(fit) => {
                *figure.of_mut(&mut device) = (fit.capacity.value * 10.0).round() / 10.0;
                measured.push(FigureSource {
                    figures: vec![figure.key()],
                    label: Provenance::Measured,
                    source: format!(
                        "{source}, {} measurements; {} a second at most, {} ms on an idle device",
                        fit.measurements, fit.capacity, fit.service_time_ms
                    ),
                    date: date.to_owned(),
                });
            }
            None => assumed.push(figure.key()),
        }
    }
    if device.service_time_ms != like.service_time_ms {
        measured.push(FigureSource {
            figures: vec![DeviceFigure::ServiceTimeMs],
            label: Provenance::Measured,
            source: format!(
                "{source}; of speech by the share of the cache, what was not measured as {}'s",
                like.name
            ),
            date: date.to_owned(),
        });
    }
    assumed.sort();
    let assumed = FigureSource {
        figures: assumed,
        label: Provenance::Assumed,
        source: format!("as {}'s, not measured; write what yours has, takes and costs", like.name),
        date: date.to_owned(),
    };
    device.sources = measured.into_iter().chain([assumed]).collect();
    text_of(&device)
}

/// Times on an idle device: those that were measured, else the other device's. Speech takes the mean of what
/// the cache has and has not, so that both must have been measured.
fn service_times(cache_share: f64, like: &Device, fits: &[Fit]) -> ServiceTimes {
    let of = |figure: Figure| {
        let fit = fits.iter().find(|fit| fit.figure == figure)?;
        Some(fit.service_time_ms.value)
    };
    let tenths = |time: f64| (time * 10.0).round().max(1.0) / 10.0;
    let mixed = |(cached, uncached): (f64, f64)| cached * cache_share + uncached * (1.0 - cache_share);
    ServiceTimes {
        tts: of(Figure::TtsCached)
            .zip(of(Figure::TtsUncached))
            .map(mixed)
            .map(tenths)
            .or(like.service_time_ms.tts),
        nlp: of(Figure::Nlp).map(tenths).or(like.service_time_ms.nlp),
        aicm: of(Figure::Aicm).map(tenths).or(like.service_time_ms.aicm),
    }
}

/// The device as it goes into a catalog.
fn text_of(device: &Device) -> String {
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let mut text = format!("[[devices]]\nname = {}\n", quoted(&device.name));
    if !device.offered {
        text.push_str("offered = false\n");
    }
    text.push_str(&format!("memory_gb = {}\n", device.memory_gb));
    for figure in DeviceFigure::ALL.into_iter().filter(|figure| *figure != DeviceFigure::MemoryGb) {
        if let Some(value) = device.value_of(figure) {
            text.push_str(&format!("{} = {value:?}\n", figure.as_str()));
        }
    }
    text.push_str(&format!("up_to_count = {}\n", device.up_to_count));
    let times = device.service_time_ms.own().map(|(kind, time)| format!("{kind} = {time:?}"));
    let times = times.collect::<Vec<_>>().join(", ");
    if !times.is_empty() {
        text.push_str(&format!("service_time_ms = {{ {times} }}\n"));
    }
    text.push_str("sources = [\n");
    for source in &device.sources {
        let figures: Vec<String> =
            source.figures.iter().map(|figure| format!("{:?}", figure.as_str())).collect();
        text.push_str(&format!(
            "  {{ figures = [{}], label = {:?}, source = {}, date = {:?} }},\n",
            figures.join(", "),
            source.label.as_str(),
            quoted(&source.source),
            source.date
        ));
    }
    text.push_str("]\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A load test of a device as the model says, each latency off by a few percent.
    fn load_test(stage: &str, service_time_ms: f64, capacity: f64, noise: f64) -> String {
        let mut text = "stage,concurrency,latency_ms,throughput_per_second\n".to_owned();
        for (step, used) in [0.05, 0.2, 0.4, 0.6, 0.75, 0.9].into_iter().enumerate() {
            let off = 1.0 + noise * if step % 2 == 0 { 1.0 } else { -1.0 };
            let (throughput, latency) = (capacity * used, service_time_ms / (1.0 - used) * off);
            text.push_str(&format!("{stage},{},{latency},{throughput}\n", throughput * latency / 1000.0));
        }
        text
    }

    #[test]
    fn what_a_device_was_simulated_with_is_fitted() {
        let exact = fit(&read(&load_test("nlp", 90.0, 620.0, 0.0)).expect("reads")).expect("fits");
        assert!(
            (exact[0].capacity.value - 620.0).abs() < 1e-6 && exact[0].capacity.spread < 1e-6,
            "{exact:?}"
        );
        assert!((exact[0].service_time_ms.value - 90.0).abs() < 1e-6);
        let noisy = fit(&read(&load_test("nlp", 90.0, 620.0, 0.03)).expect("reads")).expect("fits");
        let Estimate { value, spread } = noisy[0].capacity;
        assert!(spread > 1.0 && (value - 620.0).abs() < spread, "{noisy:?}");
    }

    #[test]
    fn what_can_not_be_used_says_where_and_how_to_mend_it() {
        let header = "stage,concurrency,latency_ms,throughput_per_second\n";
        for (text, error) in [
            ("", "line 1: is \"\"; write stage,"),
            ("a,b\n", "line 1: is \"a,b\""),
            (&*format!("{header}nlp,1,20\n"), "line 2: the line is \"nlp,1,20\"; give four columns"),
            (&*format!("{header}# idle\n\ntts,1,20,50\n"), "line 4: stage is \"tts\"; give tts_uncached"),
            (&*format!("{header}nlp,1,0,50\n"), "line 2: latency_ms is \"0\"; give a number over 0"),
            (&*format!("{header}nlp,1,20,NaN\n"), "throughput_per_second is \"NaN\""),
            (&*format!("{header}nlp,10,20,50\n"), "10 requests of 20 ms are 500.0 a second, not 50"),
        ] {
            let said = read(text).expect_err(text).to_string();
            assert!(said.contains(error), "{said}");
        }
        let few = read(&format!("{header}nlp,1,20,50\nnlp,2,20,100\n")).expect("reads");
        assert_eq!(fit(&few), Err(CalibrationError::TooFew { stage: "nlp", given: 2 }));
        let flat: String = (1..6).map(|step| format!("nlp,{step},20,{}\n", step * 50)).collect();
        let flat = read(&format!("{header}{flat}")).expect("reads");
        assert_eq!(fit(&flat), Err(CalibrationError::NoQueue { stage: "nlp" }));
    }

    #[test]
    fn the_entry_goes_into_a_catalog_and_says_what_was_measured() {
        let catalog = Catalog::embedded();
        let like = catalog.device("l40s");
        let fits = fit(&read(&load_test("nlp", 90.0, 777.0, 0.0)).expect("reads")).expect("fits");
        let entry = entry(&catalog, "b300", like, &fits, "load \"1\".csv", "2026-11-27");
        let bounded = crate::catalog::EMBEDDED.replacen("up_to_count = 0\n", "up_to_count = 20\n", 1);
        let text = bounded.replacen(
            "# Services (product line).",
            &format!("{entry}\n# Services (product line)."),
            1,
        );
        let catalog = Catalog::parse(&text).expect("a catalog with the device");
        let device = catalog.device("b300");
        assert_eq!((device.nlp_queries_per_second, device.aicm_searches_per_second), (777.0, 400.0));
        assert_eq!(device.service_time_ms, ServiceTimes { nlp: Some(90.0), ..ServiceTimes::default() });
        let of = |figure| device.source_of(figure).map(|said| (said.label, &*said.source));
        for figure in DeviceFigure::ALL {
            let measured = [DeviceFigure::NlpQueriesPerSecond, DeviceFigure::ServiceTimeMs].contains(&figure);
            let label = if measured { Provenance::Measured } else { Provenance::Assumed };
            assert_eq!(of(figure).map(|(label, _)| label), Some(label), "{figure:?} in {entry}");
        }
        let (_, said) = of(DeviceFigure::NlpQueriesPerSecond).expect("a source");
        assert_eq!(
            said,
            "load \"1\".csv, 6 measurements; 777.0 ± 0.0 a second at most, 90.0 ± 0.0 ms on an idle device"
        );
    }
}
