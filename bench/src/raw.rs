//! Bare wasmtime with the safety that any host needs: async, epochs, a limiter, the pooling allocator.

use anyhow::{Context as _, Result};
use wasmtime::component::{Component, HasSelf, InstancePre, Linker};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store, StoreLimits, StoreLimitsBuilder};

wasmtime::component::bindgen!({
    path: "../wit",
    inline: "package bench:echo; world echo { export oriel:extension/program@0.1.0; }",
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
    pub fn new(component: &[u8]) -> Result<Self> {
        let mut config = Config::new();
        config
            .concurrency_support(false)
            .epoch_interruption(true)
            .allocation_strategy(InstanceAllocationStrategy::Pooling(PoolingAllocationConfig::new()));
        let engine = Engine::new(&config).map_err(wasm)?;
        let component = Component::new(&engine, component).map_err(wasm)?;
        let mut linker = Linker::new(&engine);
        Echo::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state).map_err(wasm)?;
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
        let limits = StoreLimitsBuilder::new().memory_size(64 << 20).table_elements(100_000).build();
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
        let program = self.echo.oriel_extension_program();
        for _ in 0..calls {
            self.store.set_epoch_deadline(1);
            let answer = program.call_execute(&mut self.store, "echo", input).await.map_err(wasm)?;
            let output = answer.ok().context("the echo answers")?;
            assert_eq!(output.len(), input.len());
        }
        Ok(())
    }
}

/// Wasmtime's error, as anyhow's.
fn wasm(error: wasmtime::Error) -> anyhow::Error {
    anyhow::anyhow!("{error:#}")
}
