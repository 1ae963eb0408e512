//! The one engine: its settings, and what of them a native artifact depends on.

use std::hash::{Hash, Hasher};

use oriel_model::Digest;
use oriel_model::limits::Limits;
use sha2::{Digest as _, Sha256};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::error::SandboxError;
use crate::options::SandboxOptions;

/// Linear memory that a slot keeps between two instances; clearing it is cheaper than faulting it in again.
const KEEP_RESIDENT: usize = 256 << 10;
/// Table bytes that a slot keeps.
const TABLE_KEEP_RESIDENT: usize = 64 << 10;
/// Memories of one component: language runtimes have one or two.
const MEMORIES_PER_COMPONENT: u32 = 8;

/// Makes the engine.
pub(crate) fn new(options: &SandboxOptions) -> Result<Engine, SandboxError> {
    let ceiling = Limits::ceiling();
    let instances = options.max_instances.max(1);

    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(ceiling.core_instances))
        .total_memories(instances.saturating_mul(2))
        .total_tables(instances.saturating_mul(4))
        .total_stacks(instances)
        .total_gc_heaps(instances)
        .max_core_instances_per_component(ceiling.core_instances)
        .max_memories_per_component(MEMORIES_PER_COMPONENT)
        .max_tables_per_component(ceiling.core_instances)
        .max_component_instance_size(4 << 20)
        .max_core_instance_size(4 << 20)
        .max_memories_per_module(MEMORIES_PER_COMPONENT)
        .max_tables_per_module(16)
        .table_elements(ceiling.table_elements as usize)
        .max_memory_size(usize::try_from(ceiling.memory.0).unwrap_or(usize::MAX))
        .max_unused_warm_slots(100)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(TABLE_KEEP_RESIDENT)
        .pagemap_scan(Enabled::Auto);

    let mut config = Config::new();
    config
        // Component-model async costs every call about as much as the call itself (see docs/adr/0010).
        .concurrency_support(false)
        .epoch_interruption(true)
        .wasm_component_model(true)
        .memory_init_cow(true)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config).map_err(|error| SandboxError::Engine {
        reason: format!("{error:#}"),
    })
}

/// Everything of the engine that native code depends on, as one address: artifacts made under another one are
/// never looked at.
pub(crate) fn fingerprint(engine: &Engine) -> Digest {
    struct Sha(Sha256);
    impl Hasher for Sha {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            0
        }
    }
    let mut sha = Sha(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut sha);
    Digest::from(<[u8; 32]>::from(sha.0.finalize()))
}
