//! What arrives at a program, and each way in which it can go wrong.

use super::answer::{Answer, HEADER, NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, number};

/// One thing a receive call returns.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delivery {
    /// A datagram with one or more messages.
    Datagram(Vec<u8>),
    /// The connection is gone.
    End,
    /// The call fails with this error number, such as `ENOBUFS` for lost messages.
    Error(i32),
}

impl Delivery {
    /// The receive buffer has overflowed, and the receive call says so once (`ENOBUFS`).
    pub const OVERRUN: Self = Self::Error(libc::ENOBUFS);

    /// What a datagram stands for that came from a [`Peer`](super::Peer).
    #[must_use]
    pub fn received(datagram: &[u8]) -> Self {
        match datagram {
            [] => Self::End,
            [0xff, 0xff, 0xff, 0xff, a, b, c, d] => Self::Error(i32::from_ne_bytes([*a, *b, *c, *d])),
            bytes => Self::Datagram(bytes.to_vec()),
        }
    }
}

/// What arrives at a program, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    deliveries: Vec<Delivery>,
}

/// One thing that goes wrong. Places are counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The attribute at this offset of a datagram claims to be this long.
    AttrLength {
        /// Which datagram.
        delivery: usize,
        /// Where the attribute begins in it.
        offset: usize,
        /// What it claims.
        length: u16,
    },
    /// A datagram ends early.
    Cut {
        /// Which datagram.
        delivery: usize,
        /// How many bytes are left.
        length: usize,
    },
    /// A message comes a second time, at once.
    Duplicated {
        /// Which datagram.
        delivery: usize,
    },
    /// The connection ends instead of this delivery.
    Ended {
        /// Before which delivery.
        delivery: usize,
    },
    /// The message says that the table changed while it was dumped.
    Interrupted {
        /// Which datagram.
        delivery: usize,
    },
    /// A message is lost, without notice.
    Lost {
        /// Which datagram.
        delivery: usize,
    },
    /// A message claims to be this long.
    MessageLength {
        /// Which datagram.
        delivery: usize,
        /// What it claims.
        length: u32,
    },
    /// The receive buffer overflows: this delivery is lost, and `ENOBUFS` comes in its place.
    Overrun {
        /// Which delivery.
        delivery: usize,
    },
    /// This delivery and the next one change places.
    Swapped {
        /// The first of the two.
        delivery: usize,
    },
    /// A message carries another sequence number.
    WrongSequence {
        /// Which datagram.
        delivery: usize,
    },
}

impl Conversation {
    /// Of these answers, one datagram each.
    pub fn of(answers: impl IntoIterator<Item = Answer>) -> Self {
        answers.into_iter().map(|answer| Delivery::Datagram(answer.to_bytes())).collect()
    }

    /// What arrives, in order.
    #[must_use]
    pub fn deliveries(&self) -> &[Delivery] {
        &self.deliveries
    }

    /// The same with neighbouring datagrams put together, as long as none gets longer than this.
    #[must_use]
    pub fn packed(&self, longest: usize) -> Self {
        let mut packed: Vec<Delivery> = Vec::new();
        for delivery in &self.deliveries {
            match (packed.last_mut(), delivery) {
                (Some(Delivery::Datagram(last)), Delivery::Datagram(next))
                    if last.len() + next.len() <= longest =>
                {
                    last.extend(next);
                }
                _ => packed.push(delivery.clone()),
            }
        }
        packed.into_iter().collect()
    }

    /// The same with one thing wrong; `None` where there is nothing for it to go wrong with, or it changes nothing.
    #[must_use]
    pub fn with(&self, fault: Fault) -> Option<Self> {
        let mut list = self.deliveries.clone();
        match fault {
            Fault::AttrLength { delivery, offset, length } => {
                overwrite(&mut list, delivery, offset, &length.to_ne_bytes())?;
            }
            Fault::Cut { delivery, length } => {
                let datagram = datagram(&mut list, delivery)?;
                datagram.truncate(length);
            }
            Fault::Duplicated { delivery } => {
                let copy = datagram(&mut list, delivery)?.clone();
                list.insert(delivery, Delivery::Datagram(copy));
            }
            Fault::Ended { delivery } => {
                list.truncate(delivery);
                list.push(Delivery::End);
            }
            Fault::Interrupted { delivery } => {
                let flags = flags(datagram(&mut list, delivery)?)? | NLM_F_DUMP_INTR;
                overwrite(&mut list, delivery, FLAGS, &flags.to_ne_bytes())?;
            }
            Fault::Lost { delivery } => {
                datagram(&mut list, delivery)?;
                list.remove(delivery);
            }
            Fault::MessageLength { delivery, length } => {
                overwrite(&mut list, delivery, 0, &length.to_ne_bytes())?;
            }
            Fault::Overrun { delivery } => {
                *list.get_mut(delivery)? = Delivery::OVERRUN;
            }
            Fault::Swapped { delivery } => {
                list.get(delivery + 1)?;
                list.swap(delivery, delivery + 1);
            }
            Fault::WrongSequence { delivery } => {
                let seq = number(datagram(&mut list, delivery)?, SEQUENCE).wrapping_add(1);
                overwrite(&mut list, delivery, SEQUENCE, &seq.to_ne_bytes())?;
            }
        }
        let changed = Self { deliveries: list };
        (changed != *self).then_some(changed)
    }

    /// Every conversation with one fault in it. Attributes are taken to begin where `headers` says: it is given the
    /// type of a message and returns the length of its fixed header, `None` if there are no attributes.
    ///
    /// Cuts are at every length; only the first message of a datagram gets faults of its own.
    pub fn faults_with<'a>(
        &'a self,
        headers: impl Fn(u16) -> Option<usize> + 'a,
    ) -> impl Iterator<Item = (Fault, Self)> + 'a {
        let each = self.deliveries.iter().enumerate();
        let faults = each.flat_map(move |(delivery, what)| self.faults_at(delivery, what, &headers));
        let end = Fault::Ended { delivery: self.deliveries.len() };
        faults.chain([end]).filter_map(|fault| Some((fault, self.with(fault)?)))
    }

    /// [`faults_with`](Self::faults_with), for messages in which no attributes are known.
    pub fn faults(&self) -> impl Iterator<Item = (Fault, Self)> + '_ {
        self.faults_with(|_| None)
    }

    fn faults_at(
        &self,
        delivery: usize,
        what: &Delivery,
        headers: &impl Fn(u16) -> Option<usize>,
    ) -> Vec<Fault> {
        let mut faults = vec![
            Fault::Ended { delivery },
            Fault::Overrun { delivery },
            Fault::Swapped { delivery },
            Fault::Duplicated { delivery },
            Fault::Lost { delivery },
            Fault::Interrupted { delivery },
            Fault::WrongSequence { delivery },
        ];
        let Delivery::Datagram(bytes) = what else { return faults };
        faults.extend((1..bytes.len()).map(|length| Fault::Cut { delivery, length }));
        let length = number(bytes, 0);
        let wrong =
            [0, 4, 15, length.wrapping_sub(1), length.wrapping_add(1), length.wrapping_add(4), u32::MAX];
        faults.extend(wrong.map(|length| Fault::MessageLength { delivery, length }));
        let end = usize::try_from(length).unwrap_or(0).min(bytes.len());
        for offset in attrs(bytes, end, headers) {
            let length = short(bytes, offset).unwrap_or(0);
            let wrong =
                [0, 1, 3, length.wrapping_sub(1), length.wrapping_add(1), length.wrapping_add(4), u16::MAX];
            faults.extend(wrong.map(|length| Fault::AttrLength { delivery, offset, length }));
        }
        faults
    }
}

impl FromIterator<Delivery> for Conversation {
    fn from_iter<I: IntoIterator<Item = Delivery>>(deliveries: I) -> Self {
        Self { deliveries: deliveries.into_iter().collect() }
    }
}

/// Where the attributes of the first message begin.
fn attrs(bytes: &[u8], end: usize, headers: &impl Fn(u16) -> Option<usize>) -> Vec<usize> {
    let Some(kind) = short(bytes, KIND).filter(|kind| ![NLMSG_ERROR, NLMSG_DONE].contains(kind)) else {
        return Vec::new();
    };
    let Some(header) = headers(kind) else { return Vec::new() };
    let mut found = Vec::new();
    let mut at = HEADER + header.next_multiple_of(4);
    while let Some(length @ 4..) = short(bytes, at).map(usize::from) {
        if at + length > end {
            break;
        }
        found.push(at);
        at += length.next_multiple_of(4);
    }
    found
}

fn datagram(list: &mut [Delivery], at: usize) -> Option<&mut Vec<u8>> {
    match list.get_mut(at)? {
        Delivery::Datagram(bytes) => Some(bytes),
        _ => None,
    }
}

fn overwrite(list: &mut [Delivery], delivery: usize, at: usize, value: &[u8]) -> Option<()> {
    let place = datagram(list, delivery)?.get_mut(at..at + value.len())?;
    place.copy_from_slice(value);
    Some(())
}

fn flags(message: &[u8]) -> Option<u16> {
    short(message, FLAGS)
}

fn short(message: &[u8], at: usize) -> Option<u16> {
    message.get(at..)?.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes))
}

const KIND: usize = 4;
const FLAGS: usize = 6;
const SEQUENCE: usize = 8;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn conversation() -> Conversation {
        let entry = |mac: u8| Answer::new(28, &[7; 12]).attr(2, &[mac; 6]).attr(5, &[1, 0]).multi().seq(9);
        Conversation::of([entry(1), entry(2), Answer::done(0).seq(9)])
    }

    fn faults() -> Vec<(Fault, Conversation)> {
        conversation().faults_with(|_| Some(12)).collect()
    }

    #[test]
    fn each_fault_changes_what_it_says_and_nothing_else() {
        let whole = conversation();
        for (fault, faulty) in faults() {
            let same = |range: std::ops::Range<usize>| {
                whole.deliveries[range.clone()] == faulty.deliveries[range.clone()]
            };
            match fault {
                Fault::Overrun { delivery } => {
                    assert_eq!(faulty.deliveries[delivery], Delivery::Error(libc::ENOBUFS));
                    assert!(same(0..delivery) && faulty.deliveries.len() == 3);
                }
                Fault::Ended { delivery } => {
                    assert_eq!(faulty.deliveries[delivery..], [Delivery::End]);
                    assert!(same(0..delivery));
                }
                Fault::Duplicated { delivery } => {
                    assert_eq!(faulty.deliveries[delivery], faulty.deliveries[delivery + 1]);
                    assert_eq!(faulty.deliveries.len(), 4);
                }
                Fault::Lost { delivery } => {
                    assert!(same(0..delivery) && faulty.deliveries.len() == 2);
                    assert_eq!(faulty.deliveries[delivery..], whole.deliveries[delivery + 1..]);
                }
                Fault::Swapped { delivery } => {
                    assert_eq!(faulty.deliveries[delivery], whole.deliveries[delivery + 1]);
                    assert_eq!(faulty.deliveries[delivery + 1], whole.deliveries[delivery]);
                }
                Fault::Cut { delivery, length } => {
                    let Delivery::Datagram(bytes) = &faulty.deliveries[delivery] else { panic!("{fault:?}") };
                    assert_eq!(bytes.len(), length);
                }
                Fault::Interrupted { delivery } => {
                    let Delivery::Datagram(bytes) = &faulty.deliveries[delivery] else { panic!("{fault:?}") };
                    assert_eq!(flags(bytes), Some(0x12));
                }
                Fault::WrongSequence { delivery } => {
                    let Delivery::Datagram(bytes) = &faulty.deliveries[delivery] else { panic!("{fault:?}") };
                    assert_eq!(number(bytes, SEQUENCE), 10);
                }
                Fault::MessageLength { delivery, length } => {
                    let Delivery::Datagram(bytes) = &faulty.deliveries[delivery] else { panic!("{fault:?}") };
                    assert_eq!(number(bytes, 0), length);
                }
                Fault::AttrLength { delivery, offset, length } => {
                    let Delivery::Datagram(bytes) = &faulty.deliveries[delivery] else { panic!("{fault:?}") };
                    assert_eq!(short(bytes, offset), Some(length));
                }
            }
            assert_ne!(faulty, whole, "{fault:?}");
        }
    }

    #[test]
    fn every_place_gets_every_fault() {
        let faults = faults();
        let count = |fits: fn(&Fault) -> bool| faults.iter().filter(|(fault, _)| fits(fault)).count();
        assert_eq!(count(|fault| matches!(fault, Fault::Ended { .. })), 4);
        assert_eq!(count(|fault| matches!(fault, Fault::Overrun { .. })), 3);
        assert_eq!(count(|fault| matches!(fault, Fault::Swapped { .. })), 2);
        assert_eq!(count(|fault| matches!(fault, Fault::Lost { .. })), 3);
        assert_eq!(count(|fault| matches!(fault, Fault::Duplicated { .. })), 3);
        assert_eq!(count(|fault| matches!(fault, Fault::Interrupted { .. })), 3);
        assert_eq!(count(|fault| matches!(fault, Fault::WrongSequence { .. })), 3);
        // Every length of messages of 48, 48 and 20 bytes.
        assert_eq!(count(|fault| matches!(fault, Fault::Cut { .. })), 47 + 47 + 19);
        assert_eq!(count(|fault| matches!(fault, Fault::MessageLength { .. })), 3 * 7);
        let offsets: BTreeSet<_> = faults
            .iter()
            .filter_map(|(fault, _)| match fault {
                Fault::AttrLength { delivery, offset, .. } => Some((*delivery, *offset)),
                _ => None,
            })
            .collect();
        assert_eq!(offsets, BTreeSet::from([(0, 28), (0, 40), (1, 28), (1, 40)]));
        assert_eq!(
            conversation().faults().count(),
            faults.len() - count(|f| matches!(f, Fault::AttrLength { .. }))
        );
    }

    #[test]
    fn a_fault_that_has_no_place_is_none() {
        let conversation = Conversation::from_iter([Delivery::End]);
        assert_eq!(conversation.with(Fault::Lost { delivery: 0 }), None);
        assert_eq!(conversation.with(Fault::Swapped { delivery: 0 }), None);
        assert_eq!(conversation.with(Fault::Overrun { delivery: 1 }), None);
        assert_eq!(conversation.with(Fault::Cut { delivery: 0, length: 1 }), None);
    }

    #[test]
    fn neighbouring_datagrams_are_packed_but_not_over_an_error() {
        let whole = conversation();
        let sizes = |conversation: &Conversation| -> Vec<usize> {
            let size = |delivery: &Delivery| match delivery {
                Delivery::Datagram(bytes) => bytes.len(),
                _ => 0,
            };
            conversation.deliveries.iter().map(size).collect()
        };
        assert_eq!(sizes(&whole.packed(4096)), [116]);
        assert_eq!(sizes(&whole.packed(96)), [96, 20]);
        assert_eq!(sizes(&whole.with(Fault::Overrun { delivery: 1 }).unwrap().packed(4096)), [48, 0, 20]);
    }

    #[test]
    fn answers_have_the_bytes_a_kernel_sends() {
        let request =
            [40_u32.to_ne_bytes(), [28, 0, 5, 0], 3_u32.to_ne_bytes(), 77_u32.to_ne_bytes()].concat();
        let refusal = Answer::error(libc::EEXIST, &request).text("no").to_bytes();
        assert_eq!(number(&refusal, 0), 44);
        assert_eq!((short(&refusal, KIND), flags(&refusal)), (Some(2), Some(0x300)));
        assert_eq!((number(&refusal, 8), number(&refusal, 12)), (3, 77));
        assert_eq!(number(&refusal, 16), (-libc::EEXIST).cast_unsigned());
        assert_eq!(refusal[20..36], request);
        assert_eq!(refusal[36..], [&7_u16.to_ne_bytes()[..], &1_u16.to_ne_bytes(), b"no\0\0"].concat());
        assert_eq!(Answer::ack(&request).to_bytes().len(), 36);
        assert_eq!(flags(&Answer::done(0).interrupted().to_bytes()), Some(0x12));
    }
}
