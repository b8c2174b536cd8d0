//! `cargo tour`: what the nl-* crates do, shown live on a private network.
//!
//! It re-executes itself into a user and a network namespace first, so it needs no root and changes nothing on the
//! machine. Each crate has a chapter; one that the running kernel cannot do says so by name.
#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::time::Instant;

use nl_testkit::{Lab, Need, Result, sandbox};
use nl_tour::{CHAPTERS, Story};

fn main() -> ExitCode {
    match tour() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nThe tour ended early: {error}");
            ExitCode::FAILURE
        }
    }
}

fn tour() -> Result {
    let began = Instant::now();
    // Before any thread exists: the runtime and everything after it are born inside.
    sandbox::enter()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut story = Story::default();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    println!(
        "A tour of nl-*, on a private network: Linux {}, nothing on this machine changes.",
        kernel.trim()
    );

    for chapter in &CHAPTERS {
        if story.chapter(chapter.title, unmet(chapter.needs)?) {
            runtime.block_on(async {
                let lab = Lab::new("tour")?;
                chapter.tell(&lab, &mut story).await
            })?;
        }
    }

    println!("\nWhat this proved, in {:.1} s:", began.elapsed().as_secs_f32());
    story.summarize()
}

/// Why the running kernel cannot do a chapter.
fn unmet(needs: &[&str]) -> Result<Option<String>> {
    for need in needs {
        if let Err(reason) = Need::parse(need)?.probe() {
            return Ok(Some(reason));
        }
    }
    Ok(None)
}
