//! Which kernel a virtual machine boots: the newest of a series of Debian's, or one that the caller has.

use std::{collections::BTreeSet, path::Path};

use nl_testkit::Result;

use super::{
    own::Own,
    qemu::Accel,
    series::{ALL, Series},
};

/// What is booted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kernel {
    Debian(Series),
    Own(Own),
}

impl Kernel {
    /// Reads `6.1,7,path/to/bzImage`; all of Debian's for `None`. The modules are those of a kernel that is a file.
    pub(crate) fn list(text: Option<&str>, modules: &[&str]) -> Result<Vec<Self>> {
        let kernels: Vec<Self> = match text {
            None => ALL.iter().copied().map(Self::Debian).collect(),
            Some(text) => {
                let each = text.split(',').map(|word| Self::of(word.trim(), modules));
                each.collect::<Result<_>>()?
            }
        };
        let own = kernels.iter().filter(|kernel| matches!(kernel, Self::Own(_))).count();
        if !modules.is_empty() && own != 1 {
            return Err(
                format!("--modules goes with one kernel that is a file; here are {own} of them").into()
            );
        }
        let mut lanes = BTreeSet::new();
        if let Some(twice) = kernels.iter().find(|kernel| !lanes.insert(kernel.lane())) {
            return Err(format!(
                "two kernels for lane {}: NAME=FILE gives a kernel that is a file the lane vm-NAME",
                twice.lane()
            )
            .into());
        }
        Ok(kernels)
    }

    fn of(word: &str, modules: &[&str]) -> Result<Self> {
        if let Some(series) = ALL.iter().find(|series| series.kernel == word) {
            return Ok(Self::Debian(*series));
        }
        if word.contains(['/', '=']) || Path::new(word).is_file() {
            return Ok(Self::Own(Own::of(word, modules)?));
        }
        Ok(Self::Debian(Series::find(word)?))
    }

    /// As in the table and in `NL_TESTKIT_LANE`.
    pub(crate) fn lane(&self) -> &str {
        match self {
            Self::Debian(series) => series.lane,
            Self::Own(own) => own.lane(),
        }
    }

    /// How many processors its machine has.
    pub(crate) fn processors(&self, accel: Accel) -> usize {
        match (self, accel) {
            (Self::Debian(series), Accel::Emulation) => series.processors,
            (Self::Debian(_), Accel::Kvm) | (Self::Own(_), _) => 2,
        }
    }

    /// The need that tests must declare to be run under this kernel, as `NL_TESTKIT_ONLY` has it.
    pub(crate) fn only(&self) -> Option<&'static str> {
        match self {
            Self::Debian(series) => series.only(),
            Self::Own(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lanes(text: Option<&str>) -> Vec<String> {
        let kernels = Kernel::list(text, &[]).unwrap();
        kernels.iter().map(|kernel| kernel.lane().to_owned()).collect()
    }

    #[test]
    fn several_kernels_are_read_in_their_order() {
        assert_eq!(lanes(Some("7, 6.1")), ["vm-7", "vm-6.1"]);
        assert_eq!(lanes(None).len(), ALL.len());
    }

    #[test]
    fn what_is_neither_a_series_nor_a_file_is_refused() {
        let error = |text: &str| Kernel::list(Some(text), &[]).unwrap_err().to_string();
        assert!(error("5.4").starts_with("no kernel 5.4: there are 6.1, "), "{}", error("5.4"));
        assert!(error("./no/bzImage").starts_with("--kernel ./no/bzImage: "), "{}", error("./no/bzImage"));
        assert!(error("6.1,6.1").starts_with("two kernels for lane vm-6.1"), "{}", error("6.1,6.1"));
    }

    #[test]
    fn modules_without_a_kernel_of_their_own_are_refused() {
        assert!(Kernel::list(Some("6.1"), &["/tmp"]).is_err());
        assert!(Kernel::list(None, &["/tmp"]).is_err());
    }
}
