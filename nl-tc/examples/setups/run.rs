//! What the examples of set-ups share: applying, showing rates, removing.

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nl_core::{Connection, Protocol};
use nl_tc::Tc;
use nl_tc::stats::Sampler;
use nl_tc::tree::Tree;

/// A tree for each device, by name.
pub(crate) type Setup = Vec<(String, Tree)>;
pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// Applies the set-up that the words describe, and shows the rates of its qdiscs for the given number of seconds. `remove` as the first word
/// removes it instead.
pub(crate) fn run(usage: &str, setup: fn(&[String]) -> Option<Result<Setup>>) -> ExitCode {
    let mut words: Vec<_> = std::env::args().skip(1).collect();
    let removes = words.first().is_some_and(|word| word == "remove");
    if removes {
        words.remove(0);
    }
    let Some(setup) = setup(&words) else {
        eprintln!("usage: [remove] {usage}");
        return ExitCode::FAILURE;
    };
    let outcome = setup.and_then(|setup| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(carry_out(setup, removes))
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn carry_out(setup: Setup, removes: bool) -> Result {
    let tc = Tc::new(Connection::open(Protocol::Route)?);
    let mut steps = 0;
    if removes {
        for (dev, tree) in setup.iter().rev() {
            steps += tc.remove(dev.as_str(), tree).await?.steps().len();
        }
        println!("{steps} steps to remove it");
        return Ok(());
    }
    for (dev, tree) in &setup {
        steps += tc.apply(dev.as_str(), tree).await?.steps().len();
    }
    println!("{steps} steps to apply it");
    let seconds: u64 = std::env::var("SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    let mut sampler = Sampler::new();
    for _ in 0..=seconds {
        for (dev, _) in &setup {
            for qdisc in tc.qdiscs().dev(dev.as_str()).list().await?.collect_all().await? {
                let key = (qdisc.index, qdisc.parent);
                if let Some(rates) = sampler.sample(key, Instant::now(), &qdisc.stats) {
                    let (kind, parent) = (qdisc.config.kind(), qdisc.parent);
                    println!("{dev} {kind} {parent}: {:#}, {} dropped", rates.rate, rates.drops);
                }
            }
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}
