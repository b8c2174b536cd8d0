//! `cargo tour`: what the nl-* crates do, shown live on a private network.
//!
//! It re-executes itself into a user and a network namespace first, so it needs no root and changes nothing on the
//! machine. Each crate has a chapter; one that the running kernel cannot do says so by name. The end is a summary of all that
//! happened, as one stream of nl-events reported it.
#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use nl_core::netns::Netns;
use nl_testkit::{Lab, Need, Result, sandbox};
use nl_tour::{CHAPTERS, Everything, Story};

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

    let everything = Everything::open(&Netns::current()?)?;
    for chapter in &CHAPTERS {
        if story.chapter(chapter.title, unmet(chapter.needs)?) {
            runtime.block_on(async {
                let lab = Lab::new("tour")?;
                everything.follow(&lab, chapter.title);
                chapter.tell(&lab, &mut story).await
            })?;
        }
    }

    let happened = everything.finish(PATIENCE)?;
    happened.prove(&mut story);
    println!("\nWhat this proved, in {:.1} s:", began.elapsed().as_secs_f32());
    let proved = story.summarize();
    println!("\nAll that happened, as one stream of every namespace reported it (nl-events):\n{happened}");
    proved
}

/// How long the last events may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a chapter that needs root of the machine says; the kernel test of the chapter is how it is seen.
const ONLY_ROOT: &str = "only root of the machine may do this, and the tour runs in a user namespace; `cargo testkit vm --kernel 6.12 -p nl-tour macsec` \
                         shows it";

/// Why the running kernel cannot do a chapter.
fn unmet(needs: &[&str]) -> Result<Option<String>> {
    for need in needs {
        let need = Need::parse(need)?;
        if let Err(reason) = need.probe() {
            // The tour is root of a user namespace of its own, whoever runs it.
            let reason = if need == Need::HostRoot { ONLY_ROOT.into() } else { reason };
            return Ok(Some(reason));
        }
    }
    Ok(None)
}
