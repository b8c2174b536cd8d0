//! Virtual machines with Debian's kernels: fetching them, booting them, and what happens inside.

pub(crate) mod accel;
mod apt;
pub(crate) mod cases;
mod console;
mod cpio;
mod elf;
pub(crate) mod extras;
pub(crate) mod guest;
pub(crate) mod image;
pub(crate) mod job;
pub(crate) mod kernel;
mod libraries;
pub(crate) mod manifest;
mod modules;
mod netdevsim;
pub(crate) mod options;
mod own;
pub(crate) mod program;
pub(crate) mod qemu;
pub(crate) mod series;
pub(crate) mod shell;
mod sources;
mod userland;
