//! The guest API as Rust, made from `wit/`. Its types stop at this crate.

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "oriel:extension/everything",
    imports: {
        "oriel:extension/key-value": async | trappable,
        default: trappable,
    },
    // Inputs are lent to the guest, not copied first.
    ownership: Borrowing { duplicate_if_necessary: true },
    exports: { default: async },
    require_store_data_send: true,
});

pub(crate) use self::exports::oriel::extension::{lifecycle, program};
pub(crate) use self::oriel::extension::{config, context, key_value, log, types};
