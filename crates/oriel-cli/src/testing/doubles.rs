//! What stands in for the queue and the model in a test: a list of what was enqueued, and the replies that the case gives.

use std::collections::VecDeque;

use oriel_model::Timestamp;
use oriel_model::id::JobRunId;
use oriel_model::name::ContributionName;
use oriel_sandbox::{Completion, Enqueue, FinishReason, GuestError, ModelCall, ModelUse, Models, Queue};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::Value;

/// A run that the guest put into its queue.
#[derive(Debug, Clone)]
pub(super) struct Enqueued {
    pub(super) job: String,
    pub(super) input: Value,
    pub(super) delay_ms: u64,
    pub(super) key: Option<String>,
}

/// A run that must have been enqueued; fields that are left out do not matter.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedRun {
    pub(super) job: String,
    pub(super) input: Option<Value>,
    pub(super) delay_ms: Option<u64>,
    pub(super) key: Option<String>,
}

/// What the model answers.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub(super) enum ModelReply {
    /// This text.
    Text(String),
    /// This text, and why it ends there.
    Cut(CutReply),
    /// Nothing: the endpoint does not answer.
    Unavailable(UnavailableReply),
}

/// A reply with its end.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CutReply {
    text: String,
    #[serde(default)]
    finish: Finish,
}

/// A model that is not there.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UnavailableReply {
    unavailable: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Finish {
    #[default]
    Stop,
    Length,
    ContentFilter,
    Other,
}

/// Both, for one case.
#[derive(Debug)]
pub(super) struct Doubles {
    now: Timestamp,
    jobs: Vec<ContributionName>,
    enqueued: Mutex<Vec<Enqueued>>,
    replies: Mutex<VecDeque<ModelReply>>,
    /// What the model was asked, one text for each request.
    asked: Mutex<Vec<String>>,
}

impl Doubles {
    pub(super) fn new(now: Timestamp, jobs: Vec<ContributionName>, replies: &[ModelReply]) -> Self {
        Self {
            now,
            jobs,
            enqueued: Mutex::default(),
            replies: Mutex::new(replies.iter().cloned().collect()),
            asked: Mutex::default(),
        }
    }

    fn declared(&self, job: &ContributionName) -> Result<(), GuestError> {
        if self.jobs.contains(job) {
            return Ok(());
        }
        Err(GuestError::InvalidInput(format!("the extension has no job `{job}`")))
    }

    /// What is not as the case expects it.
    pub(super) fn problems(&self, wanted: Option<&[WantedRun]>, asked: &[String]) -> Vec<String> {
        let mut problems = Vec::new();
        if let Some(wanted) = wanted {
            let enqueued = self.enqueued.lock();
            for (index, (wanted, there)) in wanted.iter().zip(enqueued.iter()).enumerate() {
                let number = index + 1;
                if wanted.job != there.job {
                    problems.push(format!(
                        "run {number} in the queue is of the job `{}`, not `{}`",
                        there.job, wanted.job
                    ));
                }
                if let Some(input) = wanted.input.as_ref().filter(|input| !super::compare::same(input, &there.input)) {
                    let difference = super::compare::difference(input, &there.input);
                    problems.push(format!(
                        "the input of run {number} in the queue differs (- expected, + got)\n{difference}"
                    ));
                }
                if let Some(delay) = wanted.delay_ms.filter(|delay| *delay != there.delay_ms) {
                    problems.push(format!(
                        "run {number} in the queue is put off by {} ms, not {delay} ms",
                        there.delay_ms
                    ));
                }
                if wanted.key.is_some() && wanted.key != there.key {
                    problems.push(format!(
                        "run {number} in the queue has the key {:?}, not {:?}",
                        there.key, wanted.key
                    ));
                }
            }
            if wanted.len() != enqueued.len() {
                problems.push(format!("{} runs were enqueued, not {}", enqueued.len(), wanted.len()));
            }
        }
        let prompts = self.asked.lock();
        let mut prompts = prompts.iter();
        let missing = asked.iter().find(|part| !prompts.any(|prompt| prompt.contains(part.as_str())));
        problems.extend(missing.map(|part| format!("no request to the model (after the ones before it) has `{part}`")));
        let left = self.replies.lock().len();
        if left > 0 {
            problems.push(format!("{left} replies of the model were not asked for"));
        }
        problems
    }
}

#[async_trait::async_trait]
impl Queue for Doubles {
    async fn enqueue(&self, run: Enqueue) -> Result<String, GuestError> {
        self.declared(&run.job)?;
        let input = serde_json::from_str(&run.input);
        let input = input.map_err(|error| GuestError::InvalidInput(format!("the input is not JSON: {error}")))?;
        self.enqueued.lock().push(Enqueued {
            job: run.job.to_string(),
            input,
            delay_ms: u64::try_from(run.delay.as_millis()).unwrap_or(u64::MAX),
            key: run.key,
        });
        Ok(JobRunId::new(self.now).to_string())
    }

    async fn pending(&self, job: &ContributionName) -> Result<u64, GuestError> {
        self.declared(job)?;
        Ok(self.enqueued.lock().iter().filter(|run| run.job == job.as_str()).count() as u64)
    }
}

#[async_trait::async_trait]
impl Models for Doubles {
    async fn complete(&self, call: ModelCall) -> Result<Completion, GuestError> {
        let prompt: Vec<&str> = call.request.messages.iter().map(|message| message.content.as_str()).collect();
        self.asked.lock().push(prompt.join("\n"));
        let reply = self.replies.lock().pop_front();
        let (text, finish) = match reply {
            None => {
                return Err(GuestError::Unavailable(
                    "the case gives the model no (further) reply: add one under `model`".to_owned(),
                ));
            }
            Some(ModelReply::Unavailable(reply)) => return Err(GuestError::Unavailable(reply.unavailable)),
            Some(ModelReply::Text(text)) => (text, Finish::Stop),
            Some(ModelReply::Cut(reply)) => (reply.text, reply.finish),
        };
        let tokens = |text: &str| text.split_whitespace().count() as u64;
        Ok(Completion {
            finish: match finish {
                Finish::Stop => FinishReason::Stop,
                Finish::Length => FinishReason::Length,
                Finish::ContentFilter => FinishReason::ContentFilter,
                Finish::Other => FinishReason::Other,
            },
            used: ModelUse {
                input_tokens: prompt.iter().map(|text| tokens(text)).sum(),
                output_tokens: tokens(&text),
                spend: 0,
            },
            model: call.request.model.map_or_else(|| "test".to_owned(), |model| model.to_string()),
            text,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use oriel_model::id::ExecutionId;
    use oriel_model::permissions::ModelPermission;
    use oriel_sandbox::{ChatMessage, ChatRole, CompletionRequest};
    use serde_json::json;

    use super::*;

    fn doubles(replies: Value) -> Doubles {
        let replies: Vec<ModelReply> = serde_json::from_value(replies).unwrap();
        Doubles::new(Timestamp::from_millis(0), vec!["send".parse().unwrap()], &replies)
    }

    async fn asked(doubles: &Doubles, text: &str) -> Result<Completion, GuestError> {
        let request = CompletionRequest {
            model: None,
            messages: vec![ChatMessage {
                role: ChatRole::User,
                content: text.to_owned(),
            }],
            max_tokens: None,
            temperature: None,
            json_schema: None,
            stop: Vec::new(),
        };
        let call = ModelCall {
            request,
            grant: ModelPermission::default(),
            execution: ExecutionId::new(Timestamp::from_millis(0)),
            timeout: Duration::from_secs(1),
            max_answer: 1_000,
        };
        doubles.complete(call).await
    }

    fn run(job: &str) -> Enqueue {
        Enqueue {
            job: job.parse().unwrap(),
            input: r#"{"to": "ada"}"#.to_owned(),
            delay: Duration::from_secs(1),
            key: Some("k".to_owned()),
            attempts: None,
            principal: None,
        }
    }

    #[tokio::test]
    async fn the_model_answers_in_order_and_every_reply_must_be_asked_for() {
        let doubles = doubles(json!(["yes", { "text": "no, bec", "finish": "length" }, { "unavailable": "away" }]));
        assert_eq!(asked(&doubles, "is it?").await.unwrap().text, "yes");
        assert_eq!(doubles.problems(None, &[]), ["2 replies of the model were not asked for"]);
        assert_eq!(asked(&doubles, "really?").await.unwrap().finish, FinishReason::Length);
        assert_eq!(asked(&doubles, "so?").await, Err(GuestError::Unavailable("away".to_owned())));
        assert!(asked(&doubles, "well?").await.is_err());
        assert_eq!(doubles.problems(None, &["is it".to_owned(), "really".to_owned()]), [""; 0]);
        let wrong = doubles.problems(None, &["really".to_owned(), "is it".to_owned()]);
        assert_eq!(wrong, ["no request to the model (after the ones before it) has `is it`"]);
        assert!(serde_json::from_value::<ModelReply>(json!({ "txt": "x" })).is_err());
    }

    #[tokio::test]
    async fn what_was_enqueued_is_compared_run_by_run() {
        let doubles = doubles(json!([]));
        doubles.enqueue(run("send")).await.unwrap();
        assert!(matches!(doubles.enqueue(run("nap")).await, Err(GuestError::InvalidInput(_))));
        assert_eq!(doubles.pending(&"send".parse().unwrap()).await, Ok(1));
        let wanted = |runs: Value| serde_json::from_value::<Vec<WantedRun>>(runs).unwrap();
        for good in [
            json!([{ "job": "send" }]),
            json!([{ "job": "send", "input": {"to": "ada"}, "delay_ms": 1_000, "key": "k" }]),
        ] {
            assert_eq!(doubles.problems(Some(&wanted(good)), &[]), [""; 0]);
        }
        for (bad, problem) in [
            (json!([]), "1 runs were enqueued, not 0"),
            (json!([{ "job": "other" }]), "run 1 in the queue is of the job `send`, not `other`"),
            (
                json!([{ "job": "send", "delay_ms": 5 }]),
                "run 1 in the queue is put off by 1000 ms, not 5 ms",
            ),
            (json!([{ "job": "send", "input": {} }]), "the input of run 1 in the queue differs"),
            (json!([{ "job": "send", "key": "other" }]), "run 1 in the queue has the key"),
        ] {
            let problems = doubles.problems(Some(&wanted(bad)), &[]);
            assert!(problems.len() == 1 && problems[0].starts_with(problem), "{problems:?}");
        }
    }
}
