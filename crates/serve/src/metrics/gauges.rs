//! A gauge for each of several things that come and go. Knows no metric.

use super::{Gauge, Metric};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// One metric with the values of its labels that were told so far. What is told no more becomes 0: it would else be shown
/// for ever as it was last.
#[derive(Debug)]
pub struct Gauges {
    metric: Metric,
    told: Mutex<HashMap<Vec<String>, Gauge>>,
}

impl Gauges {
    /// Of this metric, with nothing told yet.
    #[must_use]
    pub fn of(metric: Metric) -> Self {
        Self { metric, told: Mutex::default() }
    }

    /// Tells all that there is now: the values of the labels, in order, and the figure.
    pub fn tell(&self, now: impl IntoIterator<Item = (Vec<String>, f64)>) {
        let now: HashMap<Vec<String>, f64> = now.into_iter().collect();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        for (values, gauge) in told.iter() {
            if !now.contains_key(values) {
                gauge.set(0.0);
            }
        }
        for (values, figure) in now {
            let make = |values: &Vec<String>| {
                self.metric.gauge(&values.iter().map(String::as_str).collect::<Vec<_>>())
            };
            let gauge = told.entry(values);
            gauge.or_insert_with_key(make).set(figure);
        }
    }
}
