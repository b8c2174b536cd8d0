//! The folder for what is downloaded once.

use std::{env, path::PathBuf};

use crate::Result;

/// The folder for what is downloaded once: `$NL_TESTKIT_CACHE`, else `nl-testkit` in the user's cache folder.
///
/// [`Need::Cached`](crate::Need::Cached) looks here. The folder need not exist.
///
/// # Errors
///
/// When the environment names no such folder.
pub fn cache_dir() -> Result<PathBuf> {
    let from = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    Ok(from("NL_TESTKIT_CACHE")
        .or_else(|| from("XDG_CACHE_HOME").map(|path| path.join("nl-testkit")))
        .or_else(|| from("HOME").map(|path| path.join(".cache/nl-testkit")))
        .ok_or("neither NL_TESTKIT_CACHE nor XDG_CACHE_HOME nor HOME is set")?)
}
