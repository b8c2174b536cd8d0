use std::fmt;

use crate::{TcObject, TcVerb};

/// One request of a plan.
pub type Step = (TcVerb, TcObject);

/// The steps that make the current state the desired state, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    pub(super) steps: Vec<Step>,
}

impl Plan {
    /// The steps in order.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether the current state is the desired state.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

impl IntoIterator for Plan {
    type Item = Step;
    type IntoIter = std::vec::IntoIter<Step>;

    fn into_iter(self) -> Self::IntoIter {
        self.steps.into_iter()
    }
}

/// The commands of `tc`, one per line, with `#5` for interface 5.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (verb, object) in &self.steps {
            writeln!(f, "{verb} {object}")?;
        }
        Ok(())
    }
}
