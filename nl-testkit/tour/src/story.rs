//! What is told to the reader, and what was proved on the way.

use nl_testkit::Result;

/// Chapters and their proofs.
#[derive(Debug, Default)]
pub(crate) struct Story {
    proofs: Vec<(String, bool)>,
    left_out: Vec<String>,
}

impl Story {
    /// Begins a chapter, or says why it is left out.
    pub(crate) fn chapter(&mut self, title: &str, unmet: Option<String>) -> bool {
        println!("\n== {title}");
        let Some(reason) = unmet else { return true };
        println!("   left out: {reason}");
        self.left_out.push(format!("{title}: {reason}"));
        false
    }

    /// Says what is about to be done.
    pub(crate) fn step(&self, text: &str) {
        println!("\n   {text}");
    }

    /// Notes something that was claimed, and whether it was seen.
    pub(crate) fn prove(&mut self, claim: &str, seen: bool) {
        self.proofs.push((claim.into(), seen));
    }

    /// Lists the proofs; an error if one failed or there is none.
    pub(crate) fn summarize(&self) -> Result {
        for (claim, seen) in &self.proofs {
            println!("   {} {claim}", if *seen { "✓" } else { "✗" });
        }
        for chapter in &self.left_out {
            println!("   - left out: {chapter}");
        }
        let failed = self.proofs.iter().filter(|(_, seen)| !seen).count();
        match (failed, self.proofs.len()) {
            (0, 0) => Err("this kernel can do none of the chapters".into()),
            (0, _) => Ok(()),
            (failed, all) => Err(format!("{failed} of {all} claims were not seen to be true").into()),
        }
    }
}
