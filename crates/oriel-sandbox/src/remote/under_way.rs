//! Calls of remote services that are under way, by the token that their host calls come with.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use oriel_model::Digest;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use super::host_calls::{self, HostCallError};
use crate::error::Stop;
use crate::state::State;

/// Random bytes of a token.
const RANDOM: usize = 32;

/// All of one sandbox. Tokens are looked up by their digest, so that how long it takes tells nothing of other tokens.
#[derive(Default)]
pub(crate) struct UnderWay(Mutex<HashMap<Digest, Known>>);

/// A call, to those who come with its token.
#[derive(Clone)]
struct Known {
    state: Arc<tokio::sync::Mutex<State>>,
    /// Closed when the call is over.
    over: watch::Receiver<()>,
    stop: mpsc::Sender<Stop>,
}

/// A call that is under way as long as this lives.
pub(crate) struct Entry {
    token: String,
    calls: Arc<UnderWay>,
    stopped: mpsc::Receiver<Stop>,
    _over: watch::Sender<()>,
}

impl UnderWay {
    /// Gives a token to the call in progress of `state`.
    pub(crate) fn enter(self: &Arc<Self>, state: &Arc<tokio::sync::Mutex<State>>) -> Entry {
        let mut random = [0u8; RANDOM];
        getrandom::fill(&mut random).expect("the operating system's random source works");
        let mut token = "orct_".to_owned();
        for byte in random {
            write!(token, "{byte:02x}").expect("writing to text");
        }
        let (_over, over) = watch::channel(());
        let (stop, stopped) = mpsc::channel(1);
        let known = Known {
            state: Arc::clone(state),
            over,
            stop,
        };
        self.0.lock().insert(Digest::of(token.as_bytes()), known);
        Entry {
            token,
            calls: Arc::clone(self),
            stopped,
            _over,
        }
    }

    /// Whether a call with this token is under way.
    pub(crate) fn knows(&self, token: &str) -> bool {
        self.0.lock().contains_key(&Digest::of(token.as_bytes()))
    }

    /// Answers a host call for the call that the token belongs to. Host calls of one call take turns, as a guest's do.
    pub(crate) async fn host_call(&self, token: &str, function: &str, arguments: &[u8]) -> Result<Value, HostCallError> {
        let known = self.0.lock().get(&Digest::of(token.as_bytes())).cloned();
        let Known { state, mut over, stop } = known.ok_or(HostCallError::Token)?;
        let answer = async {
            let mut state = state.lock().await;
            host_calls::answer(&mut state, function, arguments).await
        };
        let answer = tokio::select! {
            biased;
            // Nothing is ever sent: it resolves when the sender is gone.
            _ = over.changed() => return Err(HostCallError::Token),
            answer = answer => answer,
        };
        if let Err(HostCallError::Stopped(why)) = &answer {
            // One reason is enough.
            let _ = stop.try_send(why.0);
        }
        answer
    }
}

impl Entry {
    pub(crate) fn token(&self) -> &str {
        &self.token
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.calls.0.lock().remove(&Digest::of(self.token.as_bytes()));
    }
}

/// Resolves when a host call went over a limit, so that the call must end.
pub(crate) async fn stopped(entry: &mut Option<Entry>) -> Stop {
    match entry {
        Some(entry) => match entry.stopped.recv().await {
            Some(stop) => stop,
            None => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}
