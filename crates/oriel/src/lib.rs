//! Embed the sandbox in a Rust program: load a package, call a program, no server.
