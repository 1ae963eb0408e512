//! What authors do: make a project, build it, break it.

mod suite {
    mod javascript;
    mod python;
    mod rust;
    mod support;
}
