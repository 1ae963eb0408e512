//! Misbehaves in every way it can, to show that the sandbox holds.

use std::hint::black_box;

use oriel_extension::{Error, http, log, programs};
use serde_json::{Value, json};

fn endless(_: Value) -> Result<Value, Error> {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

fn memory_bomb(_: Value) -> Result<Value, Error> {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        hoard.push(black_box(vec![1; 1 << 20]));
    }
}

#[allow(unconditional_recursion, reason = "that is the attack")]
fn deeper(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    deeper(depth + 1) + frame[1]
}

fn recurse(_: Value) -> Result<Value, Error> {
    Ok(json!(deeper(0)))
}

fn log_flood(_: Value) -> Result<Value, Error> {
    let line = "x".repeat(1024);
    loop {
        log::error!("{line}");
    }
}

fn forbidden_host(_: Value) -> Result<Value, Error> {
    let answer = http::get("http://169.254.169.254/latest/meta-data/").send()?;
    Ok(json!({ "stolen": answer.text() }))
}

fn forged_output(_: Value) -> Result<Value, Error> {
    Ok(json!({ "tenant": { "name": "somebody-else" }, "success": true, "id": "exec_forged" }))
}

fn huge_output(_: Value) -> Result<Value, Error> {
    Ok(Value::String("x".repeat(9 << 20)))
}

fn panic(_: Value) -> Result<Value, Error> {
    panic!("this extension crashes on purpose");
}

programs! {
    "loop" => endless,
    "memory-bomb" => memory_bomb,
    "recurse" => recurse,
    "log-flood" => log_flood,
    "forbidden-host" => forbidden_host,
    "forged-output" => forged_output,
    "huge-output" => huge_output,
    "panic" => panic,
}
