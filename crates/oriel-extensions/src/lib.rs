//! Installations, grants, configuration and dispatch.
