//! Memory, table and instance limits of one component instance.

use wasmtime::ResourceLimiter;

/// Memories and tables are cheap to declare; nothing real has more than a few.
const MEMORIES: usize = 16;

/// Sums over all core instances of one component instance. A growth beyond a limit answers -1 to the guest, as
/// the specification says; [`Limiter::refused`] remembers it, so that the crash that usually follows can be told
/// from any other.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory: u64,
    memory_limit: u64,
    peak_memory: u64,
    elements: u64,
    element_limit: u64,
    instance_limit: usize,
    refused: Option<&'static str>,
}

impl Limiter {
    pub(crate) fn new(limits: &oriel_model::limits::Limits) -> Self {
        Self {
            memory: 0,
            memory_limit: limits.memory.0,
            peak_memory: 0,
            elements: 0,
            element_limit: u64::from(limits.table_elements),
            instance_limit: limits.core_instances as usize,
            refused: None,
        }
    }

    /// What growth was refused since [`Limiter::begin`]: `memory` or `table elements`, with the limit.
    pub(crate) fn refused(&self) -> Option<(&'static str, u64)> {
        let what = self.refused?;
        Some((what, if what == "memory" { self.memory_limit } else { self.element_limit }))
    }

    /// A new call starts.
    pub(crate) fn begin(&mut self) {
        self.refused = None;
    }

    /// Bytes of linear memory now.
    pub(crate) fn memory(&self) -> u64 {
        self.memory
    }

    /// The most bytes of linear memory so far.
    pub(crate) fn peak_memory(&self) -> u64 {
        self.peak_memory
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let wanted = self.memory.saturating_add((desired - current) as u64);
        if wanted > self.memory_limit {
            self.refused = Some("memory");
            return Ok(false);
        }
        // A growth past the memory's own maximum fails by itself and without a later notice.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.memory = wanted;
        self.peak_memory = self.peak_memory.max(wanted);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        // The amount of the failed growth is not told. The sum stays too high by it, which errs on the safe side,
        // and the instance is replaced soon after because its memory seems to have grown.
        self.refused = Some("memory");
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let wanted = self.elements.saturating_add((desired - current) as u64);
        if wanted > self.element_limit {
            self.refused = Some("table elements");
            return Ok(false);
        }
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.elements = wanted;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.instance_limit
    }

    fn tables(&self) -> usize {
        self.instance_limit
    }

    fn memories(&self) -> usize {
        MEMORIES
    }
}
