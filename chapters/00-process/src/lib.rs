//! A process: how the kernel is asked for one, and how it ends.
