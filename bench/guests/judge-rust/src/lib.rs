//! The validator and the hook handler of the benchmarks, in Rust.

use oriel_extension::{HookCall, Payload, Result, Subject, Verdict, hooks, validators};
use serde::{Deserialize, Serialize};

#[derive(Deserialize, Serialize)]
struct Counted {
    n: u64,
}

fn counted(subject: Subject<Counted, Counted>) -> Result<Verdict> {
    let right = subject
        .execution
        .output
        .is_some_and(|output| output.n == subject.execution.input.n + 1);
    Ok(if right { Verdict::valid() } else { Verdict::invalid("not counted") })
}

fn pass(call: HookCall<Counted>) -> Result<Payload<Counted>> {
    Ok(Payload(Counted { n: call.payload.n + 1 }))
}

validators! { "counted" => counted }
hooks! { "pass" => pass }
