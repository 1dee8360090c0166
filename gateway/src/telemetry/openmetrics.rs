//! OpenMetrics text 1.0 with exemplars: what the registry gathered in, the exposition out
//! (<https://prometheus.io/docs/specs/om/open_metrics_spec/>).

use std::fmt::{self, Write};
use std::time::SystemTime;

use prometheus::proto::{Histogram, Metric, MetricFamily, MetricType};

use super::exemplars::{Exemplar, Exemplars, Labels};
use super::metrics::HISTOGRAMS;

/// All families, and those exemplars that are known of them.
pub(super) fn encode(families: &[MetricFamily], exemplars: &Exemplars) -> String {
    let mut text = String::new();
    for family in families {
        // Writing to a String can't fail.
        let _ = encode_family(family, exemplars, &mut text);
    }
    text.push_str("# EOF\n");
    text
}

fn encode_family(family: &MetricFamily, exemplars: &Exemplars, text: &mut String) -> fmt::Result {
    let kind = family.get_field_type();
    let (word, name) = match kind {
        // A counter's family is named without the suffix that its samples have.
        MetricType::COUNTER => ("counter", stem(family.name())),
        MetricType::GAUGE => ("gauge", family.name()),
        MetricType::HISTOGRAM => ("histogram", family.name()),
        MetricType::SUMMARY | MetricType::UNTYPED => ("unknown", family.name()),
    };
    writeln!(text, "# TYPE {name} {word}")?;
    writeln!(text, "# HELP {name} {}", Escaped(family.help()))?;
    for metric in family.get_metric() {
        let labels: Labels = metric
            .get_label()
            .iter()
            .map(|label| (label.name().to_owned(), label.value().to_owned()))
            .collect();
        match kind {
            MetricType::HISTOGRAM => {
                let known = HISTOGRAMS.iter().find(|(_, exposed)| *exposed == name);
                let exemplars = known.map(|(histogram, _)| exemplars.of(histogram, &labels));
                let exemplars = exemplars.unwrap_or_default();
                encode_histogram(name, &labels, metric.get_histogram(), &exemplars, text)?;
            }
            MetricType::COUNTER => {
                sample(
                    &format!("{name}_total"),
                    &labels,
                    None,
                    value(metric, kind),
                    text,
                )?;
                text.push('\n');
            }
            _ => {
                sample(name, &labels, None, value(metric, kind), text)?;
                text.push('\n');
            }
        }
    }
    Ok(())
}

fn stem(name: &str) -> &str {
    name.strip_suffix("_total").unwrap_or(name)
}

fn value(metric: &Metric, kind: MetricType) -> f64 {
    match kind {
        MetricType::COUNTER => metric.get_counter().get_value(),
        _ => metric.get_gauge().get_value(),
    }
}

fn encode_histogram(
    name: &str,
    labels: &Labels,
    histogram: &Histogram,
    exemplars: &[Option<Exemplar>],
    text: &mut String,
) -> fmt::Result {
    let buckets = histogram.get_bucket().iter();
    let finite = buckets.filter(|bucket| bucket.upper_bound().is_finite());
    let count = histogram.get_sample_count();
    let all = finite
        .map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()))
        .chain([(f64::INFINITY, count)]);
    let bucket = format!("{name}_bucket");
    for (at, (bound, below)) in all.enumerate() {
        let bound = match bound.is_finite() {
            true => number(bound),
            false => "+Inf".to_owned(),
        };
        sample(&bucket, labels, Some(&bound), below as f64, text)?;
        if let Some(Some(exemplar)) = exemplars.get(at) {
            let since = exemplar.at.duration_since(SystemTime::UNIX_EPOCH);
            let (trace_id, value) = (exemplar.trace_id, number(exemplar.value));
            let at = since.unwrap_or_default().as_secs_f64();
            write!(text, " # {{trace_id=\"{trace_id}\"}} {value} {at:.3}")?;
        }
        text.push('\n');
    }
    sample(&format!("{name}_count"), labels, None, count as f64, text)?;
    text.push('\n');
    let sum = histogram.get_sample_sum();
    sample(&format!("{name}_sum"), labels, None, sum, text)?;
    text.push('\n');
    Ok(())
}

fn sample(
    name: &str,
    labels: &Labels,
    le: Option<&str>,
    value: f64,
    text: &mut String,
) -> fmt::Result {
    text.push_str(name);
    let labels = labels
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let mut any = false;
    for (name, value) in labels.chain(le.map(|bound| ("le", bound))) {
        let before = if any { ',' } else { '{' };
        any = true;
        write!(text, "{before}{name}=\"{}\"", Escaped(value))?;
    }
    if any {
        text.push('}');
    }
    write!(text, " {}", number(value))
}

/// As Prometheus and OpenMetrics both read it: a whole number without a point.
fn number(value: f64) -> String {
    match value {
        value if value.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        value => value.to_string(),
    }
}

/// Text without what would end it.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                letter => f.write_char(letter)?,
            }
        }
        Ok(())
    }
}
