//! What the reader sees, and what was proved on the way.

use std::fmt::Display;
use std::time::Duration;

use nl_testkit::{Need, Result};

/// Chapters and their proofs.
#[derive(Debug)]
pub struct Story {
    /// How long anything that is waited for may take.
    pub(crate) deadline: Duration,
    proofs: Vec<(String, Proof)>,
    /// What the present step has shown.
    shown: Vec<String>,
    left_out: Vec<String>,
    /// The claims that were not seen to be true, each with what was shown.
    unseen: Vec<String>,
}

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    NotChecked,
    NotSeen,
    Seen,
}

impl Default for Story {
    fn default() -> Self {
        Self::within(Duration::from_secs(10))
    }
}

impl Story {
    /// Waits so long for what is to be seen; 10 seconds by default.
    #[must_use]
    pub fn within(deadline: Duration) -> Self {
        Self { deadline, proofs: Vec::new(), shown: Vec::new(), left_out: Vec::new(), unseen: Vec::new() }
    }

    /// Begins a chapter, or says why it is left out.
    pub fn chapter(&mut self, title: &str, unmet: Option<String>) -> bool {
        println!("\n== {title}");
        let Some(reason) = unmet else { return true };
        println!("   left out: {reason}");
        self.left_out.push(format!("{title}: {reason}"));
        false
    }

    /// Says why a chapter that has begun is left out.
    pub(crate) fn leave_out(&mut self, reason: &str) {
        println!("   left out: {reason}");
        self.left_out.push(reason.to_owned());
    }

    /// Says what is about to be done.
    pub(crate) fn step(&mut self, text: &str) {
        println!("\n   {text}");
        self.shown.clear();
    }

    /// A line of what came of it, which a claim of this step that is not seen to be true is reported with.
    pub(crate) fn show(&mut self, line: impl Display) {
        println!("     {line}");
        self.shown.push(line.to_string());
    }

    /// Notes something that was claimed, and whether it was seen.
    pub(crate) fn prove(&mut self, claim: &str, seen: bool) {
        self.prove_with_iproute2(claim, seen, Some(true));
    }

    /// Notes something that was claimed, whether it was seen, and whether iproute2 confirmed it; `None` if it is missing.
    pub(crate) fn prove_with_iproute2(&mut self, claim: &str, seen: bool, confirmed: Option<bool>) {
        let proof = match (seen, confirmed) {
            (false, _) | (_, Some(false)) => Proof::NotSeen,
            (true, None) => Proof::NotChecked,
            (true, Some(true)) => Proof::Seen,
        };
        if proof == Proof::NotSeen {
            let by = if seen { " by iproute2" } else { "" };
            let shown = self.shown.iter().map(|line| format!("\n    {line}")).collect::<String>();
            self.unseen.push(format!("not seen{by}: {claim}{shown}"));
        }
        self.proofs.push((claim.into(), proof));
    }

    /// Lists the proofs, none of which may have gone unchecked.
    ///
    /// # Errors
    /// One failed or was not checked, or nothing was seen.
    pub fn summarize_checked(&self) -> Result {
        self.summarize()?;
        match self.proofs.iter().filter(|(_, proof)| *proof == Proof::NotChecked).count() {
            0 => Ok(()),
            unchecked => Err(format!("{unchecked} claims were not checked").into()),
        }
    }

    /// Lists the proofs.
    ///
    /// # Errors
    /// One failed, or nothing was seen.
    pub fn summarize(&self) -> Result {
        for (claim, proof) in &self.proofs {
            match proof {
                Proof::NotChecked => println!("   - not checked, iproute2 is missing: {claim}"),
                Proof::NotSeen => println!("   ✗ {claim}"),
                Proof::Seen => println!("   ✓ {claim}"),
            }
        }
        for chapter in &self.left_out {
            println!("   - left out: {chapter}");
        }
        let count = |wanted| self.proofs.iter().filter(|(_, proof)| *proof == wanted).count();
        let all = self.proofs.len();
        match (count(Proof::NotSeen), count(Proof::Seen), count(Proof::NotChecked)) {
            (0, 0, 0) => Err("this kernel can do none of the chapters".into()),
            (0, 0, _) => Err("no claim was checked: iproute2 is missing".into()),
            (0, _, 0) => Ok(()),
            (0, _, unchecked) => {
                println!("   {unchecked} of {all} claims were not checked: iproute2 is missing");
                Ok(())
            }
            (failed, ..) => {
                let which = self.unseen.join("\n  ");
                Err(format!("{failed} of {all} claims were not seen to be true:\n  {which}").into())
            }
        }
    }
}

/// Whether a program of iproute2 is there.
pub(crate) fn has(program: &'static str) -> bool {
    Need::Tool(program.into()).probe().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(proofs: &[(bool, Option<bool>)]) -> std::result::Result<Vec<Proof>, String> {
        let mut story = Story::default();
        story.step("a step before");
        story.show("another line");
        story.step("a step");
        story.show("7 packets");
        for (seen, confirmed) in proofs {
            story.prove_with_iproute2("it works", *seen, *confirmed);
        }
        story.summarize().map_err(|error| error.to_string())?;
        Ok(story.proofs.into_iter().map(|(_, proof)| proof).collect())
    }

    #[test]
    fn a_claim_without_iproute2_is_not_checked_and_no_failure() {
        assert_eq!(summary(&[(true, Some(true)), (true, None)]), Ok(vec![Proof::Seen, Proof::NotChecked]));
    }

    #[test]
    fn a_tour_that_checked_nothing_fails() {
        assert_eq!(summary(&[(true, None)]), Err("no claim was checked: iproute2 is missing".into()));
    }

    #[test]
    fn a_claim_that_was_not_seen_fails_without_iproute2_too() {
        let error = "1 of 1 claims were not seen to be true:\n  not seen: it works\n    7 packets";
        assert_eq!(summary(&[(false, None)]), Err(error.into()));
    }

    #[test]
    fn a_claim_that_iproute2_denies_fails() {
        let error =
            "1 of 1 claims were not seen to be true:\n  not seen by iproute2: it works\n    7 packets";
        assert_eq!(summary(&[(true, Some(false))]), Err(error.into()));
    }

    #[test]
    fn the_kernel_is_blamed_only_if_every_chapter_was_left_out() {
        assert_eq!(summary(&[]), Err("this kernel can do none of the chapters".into()));
    }
}
