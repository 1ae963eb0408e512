//! What authors do: make a project, build it, break it.

mod suite {
    mod rust;
    mod support;
}
