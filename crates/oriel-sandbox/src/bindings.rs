//! The guest API as Rust, made from `wit/`. Its types stop at this crate.

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "oriel:extension/everything",
    imports: {
        "oriel:extension/key-value": async | trappable,
        "oriel:extension/call": async | trappable,
        "oriel:extension/collections": async | trappable,
        "oriel:extension/queue": async | trappable,
        "oriel:extension/model": async | trappable,
        default: trappable,
    },
    // Inputs are lent to the guest, not copied first.
    ownership: Borrowing { duplicate_if_necessary: true },
    exports: { default: async },
    require_store_data_send: true,
});

pub(crate) use self::exports::oriel::extension::{event_handler, hook, job, lifecycle, program, sampler, validator};
pub(crate) use self::oriel::extension::{
    call, collections, config, context, executions, key_value, log, metrics, model, queue, secrets, types,
};
