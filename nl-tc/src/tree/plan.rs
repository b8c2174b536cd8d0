use std::fmt;

use crate::{TcHandle, TcObject, TcVerb};

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

/// A time in a [`Plan`] during which something is missing or not complete.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// The number of the step with which it begins, from 1.
    pub from: usize,
    /// The number of the step with which it ends.
    pub to: usize,
    /// What is missing, in words.
    pub what: String,
}

/// `steps 1 to 4: class dev #5 classid 1:10 is missing`
impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "steps {} to {}: {}", self.from, self.to, self.what)
    }
}

impl Plan {
    /// The times during which something is missing that was there before and is there again afterwards, and during which a new qdisc
    /// does not have its classes and filters yet. None of them if changes are enough.
    #[must_use]
    pub fn gaps(&self) -> Vec<Gap> {
        let mut gaps = Vec::new();
        let numbered = || (1..).zip(&self.steps);
        for (from, (verb, object)) in numbered() {
            let later = || numbered().skip_while(move |(number, _)| *number <= from);
            if *verb == TcVerb::Delete {
                let again =
                    later().find(|(_, (verb, other))| verb.creates() && place(other) == place(object));
                let what = format!("{object} is missing");
                gaps.extend(again.map(|(to, _)| Gap { from, to, what }));
            }
            if let TcObject::Qdisc(qdisc) = object
                && verb.creates()
                && !qdisc.handle.is_none()
            {
                let inside = later().filter(|(_, (_, other))| within(other) == Some(qdisc.handle));
                let what = format!("{object} is not complete");
                gaps.extend(inside.last().map(|(to, _)| Gap { from, to, what }));
            }
        }
        gaps
    }
}

/// What cannot be there twice.
fn place(object: &TcObject) -> (u8, u32, u32, u16) {
    match object {
        TcObject::Class(class) => (0, class.handle.bits(), 0, 0),
        TcObject::Filter(filter) => (1, filter.parent.bits(), filter.chain.unwrap_or(0), filter.priority),
        TcObject::Qdisc(qdisc) => (2, qdisc.parent.bits(), 0, 0),
    }
}

/// The qdisc that classifies with this class or filter.
fn within(object: &TcObject) -> Option<TcHandle> {
    match object {
        TcObject::Class(class) => Some(class.handle.qdisc()),
        TcObject::Filter(filter) => Some(filter.parent.qdisc()),
        TcObject::Qdisc(_) => None,
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
