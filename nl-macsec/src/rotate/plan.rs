//! What has to be done, from what is there. Pure: no requests.

use nl_core::check::Invalid;

use crate::association::An;
use crate::key::KeyId;
use crate::sci::Sci;
use crate::secy::Secy;

/// One request, or two: an association is made inactive before it is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The association that sends is made active.
    ActivateTx { an: An },
    /// The association that receives is made active.
    ActivateRx { sci: Sci, an: An },
    /// The new association that sends.
    AddTx { an: An },
    /// The new association that receives.
    AddRx { sci: Sci, an: An },
    /// An association of another key.
    RemoveTx { an: An },
    /// An association of another key.
    RemoveRx { sci: Sci, an: An },
}

/// The steps before the switch.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// The number of the new association.
    pub(super) an: An,
    pub(super) steps: Vec<Step>,
    /// The keys of associations that stay until the new one is used.
    pub(super) replaced: Vec<KeyId>,
}

/// How a key is installed next to the one that is in use.
pub(super) fn install(secy: &Secy, key_id: KeyId, an: Option<An>) -> Result<Plan, Invalid> {
    if let Some(an) = an {
        an.check()?;
    }
    let encoding = secy.encoding();
    let current = encoding.map(|sa| sa.key_id);
    let own_tx = secy.tx_sas.iter().find(|sa| sa.key_id == key_id);
    let own_rx = secy.rx_scs.iter().flat_map(|channel| &channel.sas).find(|sa| sa.key_id == key_id);
    // Where an earlier call began, it has to go on.
    let begun = own_tx.map(|sa| sa.an).or(own_rx.map(|sa| sa.an));
    let an = match (begun, an) {
        (Some(begun), Some(wanted)) if begun != wanted => {
            return Err(format!("key {key_id} is installed as association {begun}, not {wanted}").into());
        }
        (Some(begun), _) => begun,
        (None, Some(wanted)) => wanted,
        (None, None) if encoding.is_none() => secy.encoding_sa,
        (None, None) => secy.encoding_sa.next(),
    };
    if let Some(sa) = encoding.filter(|sa| sa.an == an && sa.key_id != key_id) {
        return Err(format!(
            "association {an} is in use, with key {}: the next one needs another number",
            sa.key_id
        )
        .into());
    }
    let stays = |id: KeyId, number: An| id == key_id || (Some(id) == current && number != an);
    let mut plan = Plan { an, steps: Vec::new(), replaced: Vec::new() };
    for channel in &secy.rx_scs {
        let sci = channel.sci;
        for sa in &channel.sas {
            match stays(sa.key_id, sa.an) {
                true if sa.key_id != key_id => plan.replaced.push(sa.key_id),
                // Of the own key under another number, as of somebody else.
                true if sa.an != an => plan.steps.push(Step::RemoveRx { sci, an: sa.an }),
                true => {}
                // Already switched: what is there is of the last key, and stays until it is retired.
                false if current == Some(key_id) && sa.an != an => plan.replaced.push(sa.key_id),
                false => plan.steps.push(Step::RemoveRx { sci, an: sa.an }),
            }
        }
        match channel.sas.iter().find(|sa| sa.an == an && sa.key_id == key_id) {
            None => plan.steps.push(Step::AddRx { sci, an }),
            Some(sa) if !sa.active => plan.steps.push(Step::ActivateRx { sci, an }),
            Some(_) => {}
        }
    }
    for sa in &secy.tx_sas {
        match stays(sa.key_id, sa.an) {
            true if sa.key_id != key_id => plan.replaced.push(sa.key_id),
            true if sa.an != an => plan.steps.push(Step::RemoveTx { an: sa.an }),
            true => {}
            false if current == Some(key_id) && sa.an != an => plan.replaced.push(sa.key_id),
            false => plan.steps.push(Step::RemoveTx { an: sa.an }),
        }
    }
    match secy.tx_sas.iter().find(|sa| sa.an == an && sa.key_id == key_id) {
        None => plan.steps.push(Step::AddTx { an }),
        Some(sa) if !sa.active => plan.steps.push(Step::ActivateTx { an }),
        Some(_) => {}
    }
    plan.replaced.sort_unstable();
    plan.replaced.dedup();
    Ok(plan)
}

/// Which associations are removed afterwards: those of these keys, or of every key but the one that is in use. Never the one that is in
/// use.
pub(super) fn retire(secy: &Secy, keys: Option<&[KeyId]>) -> Vec<Step> {
    let current = secy.encoding().map(|sa| sa.key_id);
    let goes = |id: KeyId| Some(id) != current && keys.is_none_or(|keys| keys.contains(&id));
    let tx = secy.tx_sas.iter().filter(|sa| goes(sa.key_id)).map(|sa| Step::RemoveTx { an: sa.an });
    let rx = secy.rx_scs.iter().flat_map(|channel| {
        let of_channel = channel.sas.iter().filter(|sa| goes(sa.key_id));
        of_channel.map(|sa| Step::RemoveRx { sci: channel.sci, an: sa.an })
    });
    tx.chain(rx).collect()
}

/// Whether the other ends send with this key: a frame with it has arrived in every channel that is received.
pub(super) fn is_followed(secy: &Secy, key_id: KeyId) -> bool {
    let mut channels = secy.rx_scs.iter().filter(|channel| channel.active);
    // Rotations add associations from packet number 1 on.
    channels.all(|channel| channel.sas.iter().any(|sa| sa.key_id == key_id && sa.next_pn != 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A device in a kernel of our own: key identifiers by number of the association, with whether it is active.
    #[derive(Clone, Debug, Default)]
    struct Device {
        encoding: u8,
        tx: [Option<(u8, bool)>; 4],
        rx: [[Option<(u8, bool)>; 4]; 2],
    }

    type Request = Box<dyn Fn(&mut Device)>;

    fn sci(channel: usize) -> Sci {
        Sci::from_bytes([u8::try_from(channel).unwrap() + 1; 8])
    }

    fn id(number: u8) -> KeyId {
        KeyId::new([number; 16])
    }

    impl Device {
        /// As the kernel reports it: made of the bytes of a message.
        fn secy(&self) -> Secy {
            let mut buf = nl_core::attr::AttrBuf::new();
            let mut w = buf.writer();
            w.u32(1, 5);
            w.nested(4).bytes(1, &[7; 8]).u8(2, self.encoding);
            let list = |w: &mut nl_core::attr::AttrWriter<'_>, sas: &[Option<(u8, bool)>; 4]| {
                for (an, sa) in (0_u8..).zip(sas) {
                    if let Some((key, active)) = sa {
                        w.nested(1).u8(1, an).u8(2, u8::from(*active)).u32(3, 1).bytes(5, &[*key; 16]);
                    }
                }
            };
            list(&mut w.nested(5), &self.tx);
            let mut channels = w.nested(6);
            for (channel, sas) in self.rx.iter().enumerate() {
                let mut nest = channels.nested(1);
                nest.bytes(1, &sci(channel).bytes()).u8(2, 1);
                list(&mut nest.nested(3), sas);
            }
            drop(channels);
            let payload = [vec![0, 1, 0, 0], buf.finish().unwrap()].concat();
            Secy::decode(nl_core::message::MessageRef::from_parts(28, 0, &payload)).unwrap()
        }

        fn rx_of(&mut self, of: Sci) -> &mut [Option<(u8, bool)>; 4] {
            let channel = (0..2).find(|channel| sci(*channel) == of).unwrap();
            &mut self.rx[channel]
        }

        /// What the kernel does with a request of the step; an association is made inactive and deleted in two.
        fn requests(step: Step, key: u8) -> Vec<Request> {
            let at = |an: An| usize::from(an.get());
            match step {
                Step::AddTx { an } => vec![Box::new(move |d| {
                    assert!(d.tx[at(an)].is_none(), "EBUSY");
                    d.tx[at(an)] = Some((key, true));
                })],
                Step::AddRx { sci, an } => vec![Box::new(move |d| {
                    assert!(d.rx_of(sci)[at(an)].is_none(), "EBUSY");
                    d.rx_of(sci)[at(an)] = Some((key, true));
                })],
                Step::ActivateTx { an } => vec![Box::new(move |d| d.tx[at(an)].as_mut().unwrap().1 = true)],
                Step::ActivateRx { sci, an } => {
                    vec![Box::new(move |d| d.rx_of(sci)[at(an)].as_mut().unwrap().1 = true)]
                }
                Step::RemoveTx { an } => vec![
                    Box::new(move |d: &mut Self| d.tx[at(an)].as_mut().unwrap().1 = false),
                    Box::new(move |d: &mut Self| d.tx[at(an)] = None),
                ],
                Step::RemoveRx { sci, an } => vec![
                    Box::new(move |d: &mut Self| d.rx_of(sci)[at(an)].as_mut().unwrap().1 = false),
                    Box::new(move |d: &mut Self| d.rx_of(sci)[at(an)] = None),
                ],
            }
        }

        /// One rotation, given up after this number of requests; whether it was complete.
        fn rotate(&mut self, key: u8, requests: usize) -> bool {
            let mut left = requests;
            let mut run = |device: &mut Self, work: &dyn Fn(&mut Self)| {
                left = left.checked_sub(1)?;
                work(device);
                device.holds();
                Some(())
            };
            let mut all = || {
                let plan = install(&self.secy(), id(key), None).unwrap();
                for step in &plan.steps {
                    for request in Self::requests(*step, key) {
                        run(self, &*request)?;
                    }
                }
                run(self, &|device: &mut Self| {
                    device.encoding = u8::try_from(
                        device.tx.iter().position(|sa| sa.is_some_and(|sa| sa.0 == key)).unwrap(),
                    )
                    .unwrap();
                })?;
                for step in retire(&self.secy(), Some(&plan.replaced)) {
                    for request in Self::requests(step, key) {
                        run(self, &*request)?;
                    }
                }
                Some(())
            };
            all().is_some()
        }

        /// What must be true at any time: traffic passes.
        fn holds(&self) {
            let encoding = self.tx[usize::from(self.encoding)];
            assert!(encoding.is_some_and(|sa| sa.1), "the encoding association is not active: {self:?}");
            let key = encoding.unwrap().0;
            for channel in &self.rx {
                assert!(channel.iter().flatten().filter(|sa| sa.1).count() <= 2, "{self:?}");
                assert!(
                    channel.iter().flatten().any(|sa| *sa == (key, true)),
                    "what is sent is not received: {self:?}"
                );
            }
        }
    }

    /// After the first key both directions work.
    fn started(an: u8) -> Device {
        let mut device = Device { encoding: an, ..Device::default() };
        let slot = usize::from(an);
        device.tx[slot] = Some((1, true));
        device.rx.iter_mut().for_each(|channel| channel[slot] = Some((1, true)));
        device
    }

    proptest! {
        /// Rotations that are given up anywhere: at each request traffic passes, and one that ends leaves its key alone.
        #[test]
        fn rotation_given_up_anywhere_lets_traffic_pass(
            an in 0..4_u8,
            tries in proptest::collection::vec((0..25_usize, any::<bool>()), 1..12),
        ) {
            let mut device = started(an);
            let mut key = 2;
            for (requests, again) in tries {
                device.rotate(key, requests);
                if !again {
                    key += 1;
                }
            }
            prop_assert!(device.rotate(key, usize::MAX));
            prop_assert_eq!(device.tx.iter().flatten().collect::<Vec<_>>(), [&(key, true)]);
            for channel in &device.rx {
                prop_assert_eq!(channel.iter().flatten().collect::<Vec<_>>(), [&(key, true)]);
            }
            prop_assert!(install(&device.secy(), id(key), None).unwrap().steps.is_empty());
        }
    }

    #[test]
    fn key_is_followed_when_a_frame_has_arrived_in_every_active_channel() {
        let device = started(0);
        let mut secy = device.secy();
        assert!(!is_followed(&secy, id(1)));
        secy.rx_scs[0].sas[0].next_pn = 2;
        assert!(!is_followed(&secy, id(1)));
        // The counter of the kernel is 0 after the last number.
        secy.rx_scs[1].sas[0].next_pn = 0;
        assert!(is_followed(&secy, id(1)) && !is_followed(&secy, id(2)));
        secy.rx_scs[1].sas[0].next_pn = 1;
        secy.rx_scs[1].active = false;
        assert!(is_followed(&secy, id(1)));
    }

    #[test]
    fn first_key_of_a_device_gets_the_number_it_encodes_with() {
        let device = Device { encoding: 2, ..Device::default() };
        let plan = install(&device.secy(), id(1), None).unwrap();
        let an = An::new(2);
        assert_eq!(
            plan.steps,
            [Step::AddRx { sci: sci(0), an }, Step::AddRx { sci: sci(1), an }, Step::AddTx { an }]
        );
        assert_eq!((plan.an, plan.replaced), (an, vec![]));
    }

    #[test]
    fn number_that_is_in_use_is_refused() {
        let device = started(1);
        let why = install(&device.secy(), id(2), Some(An::new(1))).unwrap_err().to_string();
        assert!(why.contains("association 1 is in use"), "{why}");
        assert!(install(&device.secy(), id(1), Some(An::new(3))).is_err());
        assert!(install(&device.secy(), id(2), Some(An::new(4))).is_err());
        assert_eq!(install(&device.secy(), id(2), None).unwrap().an, An::new(2));
    }
}
