//! A program of several threads, which this binary is when its first argument says so.

use std::{process::ExitCode, thread};

use futures_util::TryStreamExt;
use nl_testkit::Result;

/// The argument.
pub(crate) const THREADS: &str = "--threads-that-list-links";
/// How many there are.
pub(crate) const COUNT: usize = 3;

/// Lists the links on each thread, over a connection of its own.
pub(crate) fn run() -> ExitCode {
    let threads: Vec<_> = (0..COUNT).map(|_| thread::spawn(links)).collect();
    for thread in threads {
        match thread.join() {
            Ok(Ok(names)) => println!("{names} link(s)"),
            other => {
                eprintln!("{other:?}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

fn links() -> Result<usize> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        let driver = tokio::spawn(connection);
        let links: Vec<_> = handle.link().get().execute().try_collect().await?;
        drop(handle);
        driver.await?;
        Ok(links.len())
    })
}
