//! What every server of tests needs: an end with the tests, a cache of programs, its log.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The server goes when the tests do, however they end.
#[allow(unsafe_code, reason = "the one call between fork and exec that asks the kernel for it")]
pub(crate) fn ending_with_us(command: &mut Command) -> &mut Command {
    // SAFETY: prctl alone is called, which is async-signal-safe and takes no memory.
    unsafe {
        command.pre_exec(|| {
            rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::QUIT))?;
            Ok(())
        })
    }
}

/// Where programs of a kind are kept that were brought for the tests.
pub(crate) fn cache(kind: &str) -> io::Result<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    Ok(base.ok_or_else(|| io::Error::other("neither XDG_CACHE_HOME nor HOME is set"))?.join("ecp").join(kind))
}

pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
