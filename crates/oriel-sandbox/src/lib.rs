//! Runs components: engine, code cache, instance pools, limits, host interfaces.
