//! The stored corpus of a fuzz target, replayed without a fuzzer.

use std::{
    env, fs,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::PathBuf,
};

/// The corpus of one fuzz target, in the folder `fuzz/corpus` of its crate.
///
/// ```
/// # let crate_folder = std::env::temp_dir().join(format!("nl-testkit-corpus-{}", std::process::id()));
/// # std::fs::create_dir_all(crate_folder.join("fuzz/corpus/decode"))?;
/// # std::fs::write(crate_folder.join("fuzz/corpus/decode/first"), [1, 2, 3])?;
/// use nl_testkit::corpus::Corpus;
///
/// // In a test: env!("CARGO_MANIFEST_DIR").
/// let corpus = Corpus::new(&crate_folder, "decode");
/// corpus.holds("first", &[1, 2, 3]);
/// corpus.replay(1, |data| assert!(data.len() <= 3));
/// # std::fs::remove_dir_all(crate_folder)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Corpus {
    folder: PathBuf,
}

impl Corpus {
    /// The corpus of a target of the crate in this folder.
    pub fn new(crate_folder: impl Into<PathBuf>, target: &str) -> Self {
        Self { folder: crate_folder.into().join("fuzz/corpus").join(target) }
    }

    /// Checks each input: as it is, cut at any place, and with any one of its bytes changed.
    ///
    /// # Panics
    ///
    /// When the check does, naming the input; when one cannot be read; and when there are fewer than that.
    #[track_caller]
    pub fn replay(&self, at_least: usize, check: impl Fn(&[u8])) {
        let mut inputs: Vec<PathBuf> = match fs::read_dir(&self.folder) {
            Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
            Err(error) => fail(&format!("{}: {error}", self.folder.display())),
        };
        inputs.sort();
        for input in &inputs {
            let data = match fs::read(input) {
                Ok(data) => data,
                Err(error) => fail(&format!("{}: {error}", input.display())),
            };
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| vary(&data, &check))) {
                eprintln!("the input was a change of {}", input.display());
                resume_unwind(payload);
            }
        }
        assert!(inputs.len() >= at_least, "only {} inputs in {}", inputs.len(), self.folder.display());
    }

    /// As [`Self::holds`], for several inputs with their names.
    ///
    /// # Panics
    ///
    /// When one is not there, or another, and when there are none.
    #[track_caller]
    pub fn holds_all<N: AsRef<str>>(&self, inputs: impl IntoIterator<Item = (N, Vec<u8>)>) {
        let mut number = 0;
        for (name, bytes) in inputs {
            self.holds(name.as_ref(), &bytes);
            number += 1;
        }
        assert!(number > 0, "no input is expected in {}", self.folder.display());
    }

    /// Asserts that an input is there with these bytes; with `BLESS=1` in the environment it is written.
    ///
    /// # Panics
    ///
    /// When it is not there, or another.
    #[track_caller]
    pub fn holds(&self, name: &str, bytes: &[u8]) {
        let path = self.folder.join(name);
        if env::var_os("BLESS").is_some()
            && let Err(error) = fs::write(&path, bytes)
        {
            fail(&format!("{}: {error}", path.display()));
        }
        assert_eq!(fs::read(&path).ok().as_deref(), Some(bytes), "{}", path.display());
    }
}

fn vary(data: &[u8], check: &impl Fn(&[u8])) {
    check(data);
    let mut changed = data.to_vec();
    for at in 0..data.len() {
        check(data.get(..at).unwrap_or_default());
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let Some(byte) = changed.get_mut(at) else { continue };
            let original = std::mem::replace(byte, value);
            check(&changed);
            if let Some(byte) = changed.get_mut(at) {
                *byte = original;
            }
        }
    }
}

#[track_caller]
#[expect(clippy::panic, reason = "assertion helper")]
fn fail(what: &str) -> ! {
    panic!("{what}")
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn an_input_is_cut_and_changed_at_each_place() {
        let seen = RefCell::new(Vec::new());
        vary(&[5, 6], &|data: &[u8]| seen.borrow_mut().push(data.to_vec()));
        let seen = seen.into_inner();
        assert_eq!(seen.len(), 1 + 2 + 2 * 5);
        for expected in [&[][..], &[5], &[5, 6], &[0, 6], &[0xff, 6], &[5, 0x80]] {
            assert!(seen.iter().any(|data| data == expected), "{expected:?}");
        }
    }

    #[test]
    #[should_panic(expected = "none-of-them")]
    fn a_corpus_that_is_not_there_is_a_failure() {
        Corpus::new("none-of-them", "decode").replay(0, |_| {});
    }
}
