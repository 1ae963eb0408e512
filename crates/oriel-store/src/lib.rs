//! Storage ports: one small object-safe trait per aggregate, the in-memory adapter and the conformance suite.
