use std::fmt;

use nl_core::attr::{DecodeError, Fields};
use nl_core::check::{Invalid, within};

/// `TC_PRIO_MAX` + 1
const PRIORITIES: usize = 16;
/// `TC_QOPT_MAX_QUEUE`, `include/uapi/linux/pkt_sched.h`
const CLASSES_MAX: u8 = 16;
/// `sizeof(struct tc_mqprio_qopt)`
pub(super) const QOPT_LEN: usize = 82;

/// Which traffic class packets belong to, and which queues of the device belong to a traffic class: for
/// [`MqprioConfig`](super::MqprioConfig) and [`TaprioConfig`](super::TaprioConfig).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct TrafficClasses {
    /// The number of traffic classes, 1 to 16 (`num_tc`).
    pub count: u8,
    /// The traffic class of each of the 16 priorities (`map`).
    pub map: [u8; PRIORITIES],
    /// The queues of each traffic class. Empty: the hardware chooses them (`queues`).
    pub queues: Vec<TcQueues>,
}

/// The queues of a traffic class: `count@offset` of `tc`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct TcQueues {
    /// How many they are.
    pub count: u16,
    /// The first of them, from 0.
    pub offset: u16,
}

impl From<(u16, u16)> for TcQueues {
    /// The number of queues, and the first of them.
    fn from((count, offset): (u16, u16)) -> Self {
        Self { count, offset }
    }
}

/// `count@offset`
impl fmt::Display for TcQueues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.count, self.offset)
    }
}

impl TrafficClasses {
    /// This number of traffic classes, with this map from priorities, whose queues the hardware chooses.
    #[must_use]
    pub fn new(count: u8, map: [u8; PRIORITIES]) -> Self {
        Self { count, map, queues: Vec::new() }
    }

    /// Sets the queues of each traffic class, as number and first of them (`queues COUNT@OFFSET …`).
    #[must_use]
    pub fn queues(mut self, queues: impl IntoIterator<Item = impl Into<TcQueues>>) -> Self {
        self.queues = queues.into_iter().map(Into::into).collect();
        self
    }

    /// Reads a `struct tc_mqprio_qopt`, and its `hw`.
    pub(super) fn decode(f: &mut Fields<'_>) -> Result<(Self, u8), DecodeError> {
        let (count, map, hw) = (f.u8()?, f.array()?, f.u8()?);
        let mut queues = Vec::with_capacity(CLASSES_MAX.into());
        for _ in 0..CLASSES_MAX {
            queues.push(TcQueues { count: f.u16()?, offset: 0 });
        }
        for queue in &mut queues {
            queue.offset = f.u16()?;
        }
        // The hardware chooses, or there is no traffic class.
        let used = if queues.iter().any(|queue| queue.count != 0) { count.min(CLASSES_MAX) } else { 0 };
        queues.truncate(used.into());
        Ok((Self { count, map, queues }, hw))
    }

    /// Whether this type holds all of a `struct tc_mqprio_qopt`.
    pub(super) fn is_whole(qopt: &[u8]) -> bool {
        let Some(qopt) = qopt.get(..QOPT_LEN) else { return true };
        match Self::decode(&mut Fields::named("tc_mqprio_qopt", qopt)) {
            Ok((classes, hw)) => classes.encode(hw) == *qopt,
            Err(_) => true,
        }
    }

    /// The `struct tc_mqprio_qopt`.
    pub(super) fn encode(&self, hw: u8) -> [u8; QOPT_LEN] {
        let mut queues = [TcQueues::default(); CLASSES_MAX as usize];
        for (field, queue) in queues.iter_mut().zip(&self.queues) {
            *field = *queue;
        }
        let mut bytes = vec![self.count];
        bytes.extend_from_slice(&self.map);
        bytes.push(hw);
        bytes.extend(queues.iter().flat_map(|queue| queue.count.to_ne_bytes()));
        bytes.extend(queues.iter().flat_map(|queue| queue.offset.to_ne_bytes()));
        let mut qopt = [0; QOPT_LEN];
        for (field, byte) in qopt.iter_mut().zip(bytes) {
            *field = byte;
        }
        qopt
    }

    pub(super) fn check(&self) -> Result<(), Invalid> {
        within("num_tc", self.count, 1, CLASSES_MAX)?;
        self.map.iter().try_for_each(|class| within("map to traffic class", *class, 0, self.count - 1))?;
        let (queues, count) = (self.queues.len(), usize::from(self.count));
        match queues == 0 || queues == count {
            true => Ok(()),
            false => Err(format!("queues of {queues} traffic classes; those of {count} are needed").into()),
        }
    }

    /// With unset queues as they are.
    pub(super) fn as_read_back(&self, current: &Self) -> Self {
        let queues = if self.queues.is_empty() { &current.queues } else { &self.queues };
        Self { queues: queues.clone(), ..self.clone() }
    }

    pub(super) fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " num_tc {} map", self.count)?;
        self.map.iter().try_for_each(|class| write!(f, " {class}"))?;
        if !self.queues.is_empty() {
            f.write_str(" queues")?;
        }
        self.queues.iter().try_for_each(|queues| write!(f, " {queues}"))
    }
}
