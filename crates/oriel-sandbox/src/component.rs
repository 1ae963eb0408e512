//! Components ready to be instantiated: compiled once, mapped while somebody uses them.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use oriel_model::Digest;
use parking_lot::Mutex;
use wasmtime::component::{Component, Instance, InstancePre, Linker};
use wasmtime::{Engine, Store};
use wasmtime_wasi_http::p2::bindings::exports::wasi::http::incoming_handler;

use crate::bindings::{event_handler, hook, job, lifecycle, program, sampler, validator};
use crate::cache::Cache;
use crate::error::SandboxError;
use crate::ports::ComponentSource;
use crate::state::State;

/// A mapped component, bound to the host's interfaces. Its code and initial memory images are shared by every
/// pool that runs the same bytes: they are a pure function of those bytes and hold nothing of a tenant.
pub(crate) struct Loaded {
    pub(crate) pre: InstancePre<State>,
    /// Where its exports are.
    pub(crate) indices: Indices,
}

/// The interfaces of the guest API that a component may export, each as where it is in the component ([`Indices`]) or, of an
/// instance, as what can be called ([`Exports`]).
macro_rules! exports {
    ($($name:ident),*) => {
        #[derive(Default)]
        pub(crate) struct Indices {
            $(pub(crate) $name: Option<$name::GuestIndices>,)*
        }

        #[derive(Default)]
        pub(crate) struct Exports {
            $(pub(crate) $name: Option<$name::Guest>,)*
        }

        impl Indices {
            fn find(pre: &InstancePre<State>) -> Self {
                Self { $($name: $name::GuestIndices::new(pre).ok(),)* }
            }

            /// What an instance exports.
            pub(crate) fn load(&self, store: &mut Store<State>, instance: &Instance) -> wasmtime::Result<Exports> {
                Ok(Exports { $($name: self.$name.as_ref().map(|indices| indices.load(&mut *store, instance)).transpose()?,)* })
            }
        }
    };
}

exports!(program, lifecycle, validator, sampler, event_handler, hook, job, incoming_handler);

/// All components of one engine.
pub(crate) struct Components {
    engine: Engine,
    linker: Linker<State>,
    cache: Cache,
    loaded: Mutex<HashMap<Digest, Weak<Loaded>>>,
    /// One lock per component in the making, so that many first calls compile or map it once.
    making: Mutex<HashMap<Digest, Weak<tokio::sync::Mutex<()>>>>,
}

impl Components {
    pub(crate) fn new(engine: Engine, linker: Linker<State>, cache: Cache) -> Self {
        Self {
            engine,
            linker,
            cache,
            loaded: Mutex::default(),
            making: Mutex::default(),
        }
    }

    pub(crate) fn is_prepared(&self, component: Digest) -> bool {
        self.cache.contains(component)
    }

    /// Makes the artifact unless a whole one is there. Answers whether it was made now.
    pub(crate) async fn prepare(self: &Arc<Self>, component: Digest, wasm: Vec<u8>) -> Result<bool, SandboxError> {
        let turn = self.turn(component);
        let _turn = turn.lock().await;
        let this = Arc::clone(self);
        blocking(move || {
            if this.cache.verified(component).is_some() {
                return Ok(false);
            }
            this.compile(component, &wasm)?;
            // Binding it once tells at install, not at the first call, that something does not fit.
            this.map(component)?;
            Ok(true)
        })
        .await
    }

    /// The component, mapped. Asks `source` only if there is no usable artifact.
    pub(crate) async fn load(self: &Arc<Self>, component: Digest, source: &dyn ComponentSource) -> Result<Arc<Loaded>, SandboxError> {
        if let Some(loaded) = self.mapped(component) {
            return Ok(loaded);
        }
        let turn = self.turn(component);
        let _turn = turn.lock().await;
        if let Some(loaded) = self.mapped(component) {
            return Ok(loaded);
        }
        let this = Arc::clone(self);
        let mapped = blocking(move || this.map(component)).await?;
        let loaded = match mapped {
            Some(loaded) => loaded,
            None => {
                let wasm = source
                    .load()
                    .await
                    .map_err(|source| SandboxError::Source { source: Arc::new(source) })?;
                let this = Arc::clone(self);
                blocking(move || {
                    this.compile(component, &wasm)?;
                    this.map(component)?.ok_or_else(|| SandboxError::Engine {
                        reason: "a fresh artifact is unusable".to_owned(),
                    })
                })
                .await?
            }
        };
        let loaded = Arc::new(loaded);
        self.loaded.lock().insert(component, Arc::downgrade(&loaded));
        Ok(loaded)
    }

    /// Forgets what nobody uses any more.
    pub(crate) fn tidy(&self) {
        self.loaded.lock().retain(|_, loaded| loaded.strong_count() > 0);
        self.making.lock().retain(|_, turn| turn.strong_count() > 0);
    }

    fn mapped(&self, component: Digest) -> Option<Arc<Loaded>> {
        self.loaded.lock().get(&component).and_then(Weak::upgrade)
    }

    fn turn(&self, component: Digest) -> Arc<tokio::sync::Mutex<()>> {
        let mut making = self.making.lock();
        if let Some(turn) = making.get(&component).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::default();
        making.insert(component, Arc::downgrade(&turn));
        turn
    }

    fn compile(&self, component: Digest, wasm: &[u8]) -> Result<(), SandboxError> {
        let actual = Digest::of(wasm);
        if actual != component {
            return Err(SandboxError::Digest {
                expected: component,
                actual,
            });
        }
        let invalid = |error: wasmtime::Error| SandboxError::Invalid {
            reason: format!("{error:#}"),
        };
        let native = self.engine.precompile_component(wasm).map_err(invalid)?;
        self.cache.store(component, &native)
    }

    /// Maps the artifact, if there is a usable one.
    fn map(&self, component: Digest) -> Result<Option<Loaded>, SandboxError> {
        let Some(path) = self.cache.verified(component) else {
            return Ok(None);
        };
        #[expect(
            unsafe_code,
            reason = "native code is trusted by nature; the file was made by `compile` for an engine with these very \
                      settings, its checksum was just verified, and nobody else may write to the directory"
        )]
        // SAFETY: see the reason above.
        let mapped = unsafe { Component::deserialize_file(&self.engine, &path) };
        let mapped = match mapped {
            Ok(mapped) => mapped,
            Err(error) => {
                tracing::warn!(path = %path.display(), error = format!("{error:#}"), "a native artifact is unusable and will be made again");
                return Ok(None);
            }
        };
        let pre = self.linker.instantiate_pre(&mapped).map_err(|error| SandboxError::Import {
            interface: String::new(),
            reason: format!("{error:#}"),
        })?;
        Ok(Some(Loaded {
            indices: Indices::find(&pre),
            pre,
        }))
    }
}

/// Runs what computes or reads for long away from the threads that serve calls.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, SandboxError> + Send + 'static) -> Result<T, SandboxError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(SandboxError::Engine { reason: error.to_string() }),
    }
}
