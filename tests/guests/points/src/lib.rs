//! One contribution per behaviour, of every kind that is bound to a point: validators, samplers, event handlers, hook handlers
//! and jobs. JSON is put together by hand, because what it looks like is what tests look at.

wit_bindgen::generate!({
    path: "../../../wit",
    inline: "
        package test:points;
        world points {
            import oriel:extension/config@0.1.0;
            import oriel:extension/context@0.1.0;
            import oriel:extension/key-value@0.1.0;
            export oriel:extension/validator@0.1.0;
            export oriel:extension/sampler@0.1.0;
            export oriel:extension/event-handler@0.1.0;
            export oriel:extension/hook@0.1.0;
            export oriel:extension/job@0.1.0;
        }
    ",
    generate_all,
});

use exports::oriel::extension::event_handler::{Event, EventData};
use exports::oriel::extension::hook::{Answer, HookCall};
use exports::oriel::extension::job::{JobRun, Trigger};
use exports::oriel::extension::sampler::{Choice, History};
use exports::oriel::extension::validator::Subject;
use exports::oriel::extension::{event_handler, hook, job, sampler, validator};
use oriel::extension::executions::Execution;
use oriel::extension::types::{Error, Verdict};
use oriel::extension::{config, context, key_value};

struct Points;

fn verdict(valid: bool) -> Verdict {
    Verdict {
        valid,
        score: None,
        message: None,
        details: None,
    }
}

fn unknown<T>(name: &str) -> Result<T, Error> {
    Err(Error::InvalidInput(format!("there is no contribution `{name}`")))
}

/// The first number in the binding's configuration.
fn number() -> usize {
    let text = config::binding();
    let digits = text.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit);
    digits.collect::<String>().parse().unwrap_or(0)
}

impl validator::Guest for Points {
    fn validate(name: String, subject: Subject) -> Result<Verdict, Error> {
        let execution = &subject.execution;
        let output = execution.output.as_deref();
        match name.as_str() {
            // Valid when the output is no longer than the binding's number.
            "short" => {
                let length = output.map_or(0, str::len);
                Ok(Verdict {
                    score: Some(if length == 0 {
                        1.0
                    } else {
                        (number() as f64 / length as f64).min(1.0)
                    }),
                    message: Some(format!("{length} bytes")),
                    ..verdict(length <= number())
                })
            }
            "expected" => Ok(verdict(output == subject.expected_output.as_deref())),
            "succeeded" => Ok(verdict(execution.failure.is_none())),
            "subject" => Ok(Verdict {
                details: Some(format!(
                    r#"{{"id":"{}","task":"{}","program":"{}/{}@{}","input":{},"output":{},"failure":"{}","schema":{},"context":"{}"}}"#,
                    execution.id,
                    execution.task.as_deref().unwrap_or("none"),
                    execution.extension,
                    execution.program,
                    execution.version,
                    execution.input,
                    output.unwrap_or("null"),
                    execution.failure.as_ref().map_or("none", |failure| &failure.code),
                    subject.output_schema.as_deref().unwrap_or("null"),
                    context::current().extension,
                )),
                ..verdict(true)
            }),
            "excellent" => Ok(Verdict {
                score: Some(2.0),
                ..verdict(true)
            }),
            "garbled" => Ok(Verdict {
                details: Some("{".to_owned()),
                ..verdict(true)
            }),
            "unsure" => Err(Error::Unavailable("the oracle sleeps".to_owned())),
            "trap" => panic!("a validator that traps"),
            _ => unknown(&name),
        }
    }
}

impl sampler::Guest for Points {
    fn sample(name: String, execution: Execution, history: History) -> Result<Choice, Error> {
        let choice = |sample, reason: &str| {
            Ok(Choice {
                sample,
                reason: sample.then(|| reason.to_owned()),
            })
        };
        match name.as_str() {
            "all" => choice(true, "all"),
            "none" => choice(false, ""),
            // Every n-th, n from the binding.
            "every" => choice(history.since_last + 1 >= number() as u64, "its turn"),
            "failed" => choice(execution.failure.is_some(), "failed"),
            "trap" => panic!("a sampler that traps"),
            _ => unknown(&name),
        }
    }
}

impl event_handler::Guest for Points {
    fn handle(name: String, event: Event) -> Result<(), Error> {
        match name.as_str() {
            "store" => {
                let data = match event.data {
                    None => Vec::new(),
                    Some(EventData::Json(text) | EventData::Text(text)) => text.into_bytes(),
                    Some(EventData::Binary(bytes)) => bytes,
                };
                key_value::set(&event.id, &data, None).map(|_| ())
            }
            "reject" => Err(Error::InvalidInput(format!("`{}` is not for me", event.type_))),
            "down" => Err(Error::Unavailable("try again".to_owned())),
            _ => unknown(&name),
        }
    }
}

impl hook::Guest for Points {
    fn fire(name: String, call: HookCall) -> Result<Answer, Error> {
        match name.as_str() {
            // Wraps the payload and says by whom: the binding's configuration.
            "wrap" => Ok(Answer::Payload(format!(
                r#"{{"by":{},"payload":{}}}"#,
                config::binding(),
                call.payload
            ))),
            "pass" => Ok(Answer::Nothing),
            "yes" => Ok(Answer::Verdict(verdict(true))),
            "no" => Ok(Answer::Verdict(Verdict {
                message: Some("no".to_owned()),
                ..verdict(false)
            })),
            "decide" | "opine" => Ok(Answer::Decision(config::binding())),
            "item" => Ok(Answer::Item(format!(
                r#"{{"hook":"{}","config":{}}}"#,
                call.hook,
                config::binding()
            ))),
            "number" => Ok(Answer::Payload("7".to_owned())),
            "garbled" => Ok(Answer::Payload("{".to_owned())),
            // Counts its calls; says so when it may not.
            "count" => {
                key_value::increment("calls", 1, None)?;
                Ok(Answer::Nothing)
            }
            // Fails as often as the binding says, then counts.
            "flaky" => {
                let tried = key_value::increment("tried", 1, None)?;
                if tried <= number() as i64 {
                    return Err(Error::Unavailable(format!("attempt {tried}")));
                }
                key_value::increment("calls", 1, None)?;
                Ok(Answer::Nothing)
            }
            "slow" => loop {
                std::hint::spin_loop();
            },
            "refuse" => Err(Error::InvalidInput("not with me".to_owned())),
            "trap" => panic!("a hook handler that traps"),
            _ => unknown(&name),
        }
    }
}

impl job::Guest for Points {
    fn run(name: String, run: JobRun) -> Result<String, Error> {
        let trigger = match run.trigger {
            Trigger::Manual => "manual".to_owned(),
            Trigger::Schedule(name) => format!("schedule {name}"),
            Trigger::Event(id) => format!("event {id}"),
            Trigger::Queue => "queue".to_owned(),
        };
        match name.as_str() {
            "echo" => Ok(run.input),
            "told" => Ok(format!(r#"{{"trigger":"{trigger}","attempt":{}}}"#, run.attempt)),
            "down" => Err(Error::Unavailable("try again".to_owned())),
            _ => unknown(&name),
        }
    }
}

export!(Points);
