//! What authors do: make a project, build it, break it; and what their programs then do in the sandbox.

mod suite {
    mod book;
    mod host;
    mod javascript;
    mod points;
    mod probe;
    mod python;
    mod rust;
    mod support;
    mod surroundings;
}
