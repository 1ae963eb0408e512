//! The HTTP face and the composition root.
