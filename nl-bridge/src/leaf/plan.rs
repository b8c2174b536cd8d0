use std::fmt;

use super::step::Step;

/// How something that is there stands to a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Standing {
    /// It is in the description. Plans do not list it.
    Desired,
    /// Somebody else made it. An exact description alone removes it.
    Foreign,
    /// It was made for the description, which no longer has it: it is removed.
    Orphaned,
    /// Its owner is unknown, or others depend on it: it is left alone, even in exact mode.
    Unsafe,
}

/// The standing in one word.
impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Desired => "desired",
            Self::Foreign => "foreign",
            Self::Orphaned => "orphaned",
            Self::Unsafe => "unsafe",
        })
    }
}

/// Something that is there and is not in a description.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Other {
    /// How it stands to the description.
    pub standing: Standing,
    /// What it is, in the words of `bridge`: `vlan 1200 dev swp1`.
    pub object: String,
}

/// The standing and the object.
impl fmt::Display for Other {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.standing, self.object)
    }
}

/// The steps that make what is there into what is described, in order, and what else is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub(super) steps: Vec<Step>,
    pub(super) others: Vec<Other>,
}

impl Plan {
    /// The steps in order.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether all is as described.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// What is there and not in the description. What of it is foreign is removed by an exact description alone, and is listed either way.
    #[must_use]
    pub fn others(&self) -> &[Other] {
        &self.others
    }
}

/// The steps, one per line.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps.iter().try_for_each(|step| writeln!(f, "{step}"))
    }
}
