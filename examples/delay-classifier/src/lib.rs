//! Classifies the delay of a flight.

use oriel_extension::{Error, programs};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Flight {
    /// One of `date` and `time` is there: the schema says so.
    date: Option<When>,
    /// Hours since midnight.
    time: Option<f64>,
    delay: f64,
    distance: f64,
    origin: Option<String>,
    destination: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum When {
    Text(String),
    Milliseconds(i64),
}

#[derive(Serialize)]
struct Verdict {
    class: &'static str,
    expected: f64,
    excess: f64,
    flags: Vec<&'static str>,
}

impl When {
    /// The hour of departure. In text it stands before the only colon that matters: the first.
    fn hour(&self) -> Result<u8, Error> {
        match self {
            Self::Milliseconds(ms) => Ok(u8::try_from(ms.rem_euclid(86_400_000) / 3_600_000)?),
            Self::Text(text) => {
                let before = text.split(':').next().unwrap_or_default();
                let digits = before.get(before.len().saturating_sub(2)..).unwrap_or_default();
                let hour = digits.trim().parse::<u8>().ok().filter(|hour| *hour < 24 && text.contains(':'));
                hour.ok_or_else(|| Error::invalid_input(format_args!("at `date`: no time of day in {text:?}")))
            }
        }
    }
}

impl Flight {
    fn hour(&self) -> Result<u8, Error> {
        match (&self.date, self.time) {
            (Some(date), _) => date.hour(),
            (None, Some(time)) => Ok(time as u8),
            (None, None) => Err(Error::invalid_input("a flight needs `date` or `time`")),
        }
    }
}

fn classify(flight: Flight) -> Result<Verdict, Error> {
    let hour = flight.hour()?;
    // Delays pile up over the day and shrink a little on long legs, where time can be made up.
    let build_up = f64::from(hour.saturating_sub(6).min(14)) * 0.9;
    let expected = (4.0 + build_up - flight.distance / 500.0).max(0.0);
    let excess = flight.delay - expected;
    let class = match flight.delay {
        delay if delay < 0.0 => "early",
        delay if delay < 15.0 => "on-time",
        delay if delay < 45.0 => "minor",
        delay if delay < 120.0 => "major",
        _ => "severe",
    };
    let mut flags = Vec::new();
    let mut flag = |wanted: bool, name| {
        if wanted {
            flags.push(name);
        }
    };
    flag(flight.distance < 500.0, "short-haul");
    flag(flight.distance >= 1_500.0, "long-haul");
    flag(!(6..22).contains(&hour), "night");
    flag((16..20).contains(&hour), "peak");
    flag(flight.origin.is_some() && flight.origin == flight.destination, "same-airport");
    flag(flight.delay >= 15.0 && excess < flight.distance / 60.0, "recoverable");
    Ok(Verdict {
        class,
        expected: round(expected),
        excess: round(excess),
        flags,
    })
}

fn round(minutes: f64) -> f64 {
    (minutes * 10.0).round() / 10.0
}

programs! { "classify" => classify }
