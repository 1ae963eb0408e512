//! Bare wasmtime with the safety that any host needs: async, epochs, a limiter, the pooling allocator.

use anyhow::{Context as _, Result};
use wasmtime::component::{Component, HasSelf, InstancePre, Linker};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store, StoreLimits, StoreLimitsBuilder};

// The one interface that is called, as `wit/extension.wit` has it: nothing else need be bound.
wasmtime::component::bindgen!({
    inline: "package oriel:extension@0.1.0;
        interface types {
            type json = string;
            variant error {
                invalid-input(string), unavailable(string), denied(string), limit-exceeded(string), deadline-exceeded, internal(string),
            }
        }
        interface program {
            use types.{json, error};
            execute: func(name: string, input: json) -> result<json, error>;
        }
        world echo { export program; }",
    ownership: Borrowing { duplicate_if_necessary: true },
    exports: { default: async },
});

struct State {
    limits: StoreLimits,
}

impl oriel::extension::types::Host for State {}

pub struct Raw {
    engine: Engine,
    pre: EchoPre<State>,
}

pub struct Warm {
    store: Store<State>,
    echo: Echo,
}

impl Raw {
    fn engine() -> Result<Engine> {
        let mut pool = PoolingAllocationConfig::new();
        // Python components are made of many core instances.
        pool.max_core_instances_per_component(100)
            .max_tables_per_component(100)
            .table_elements(100_000)
            .max_component_instance_size(4 << 20);
        let mut config = Config::new();
        config
            .concurrency_support(false)
            .epoch_interruption(true)
            .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        Engine::new(&config).map_err(wasm)
    }

    /// Compiles a component and forgets it.
    pub fn compile(component: &[u8]) -> Result<()> {
        Component::new(&Self::engine()?, component).map_err(wasm).map(drop)
    }

    pub fn new(component: &[u8]) -> Result<Self> {
        let engine = Self::engine()?;
        let component = Component::new(&engine, component).map_err(wasm)?;
        let mut linker = Linker::new(&engine);
        Echo::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state).map_err(wasm)?;
        // What the kits import besides and these programs never call.
        linker.allow_shadowing(true);
        linker.define_unknown_imports_as_traps(&component).map_err(wasm)?;
        let pre: InstancePre<State> = linker.instantiate_pre(&component).map_err(wasm)?;
        let pre = EchoPre::new(pre).map_err(wasm)?;
        let ticking = engine.weak();
        std::thread::spawn(move || {
            while let Some(engine) = ticking.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        });
        Ok(Self { engine, pre })
    }

    pub async fn instance(&self) -> Result<Warm> {
        let limits = StoreLimitsBuilder::new().memory_size(256 << 20).table_elements(100_000).build();
        let mut store = Store::new(&self.engine, State { limits });
        store.limiter(|state| &mut state.limits);
        store.epoch_deadline_async_yield_and_update(1);
        store.set_epoch_deadline(1);
        let echo = self.pre.instantiate_async(&mut store).await.map_err(wasm)?;
        Ok(Warm { store, echo })
    }

    pub async fn fresh(&self, calls: u32, input: &str) -> Result<()> {
        for _ in 0..calls {
            self.instance().await?.call(1, input).await?;
        }
        Ok(())
    }
}

impl Warm {
    pub async fn call(&mut self, calls: u32, input: &str) -> Result<()> {
        for _ in 0..calls {
            let output = self.one("echo", input).await?;
            assert_eq!(output.len(), input.len());
        }
        Ok(())
    }

    pub async fn one(&mut self, program: &str, input: &str) -> Result<String> {
        self.store.set_epoch_deadline(1);
        let guest = self.echo.oriel_extension_program();
        let answer = guest.call_execute(&mut self.store, program, input).await.map_err(wasm)?;
        answer.ok().context("the guest answers")
    }
}

/// Wasmtime's error, as anyhow's.
fn wasm(error: wasmtime::Error) -> anyhow::Error {
    anyhow::anyhow!("{error:#}")
}
