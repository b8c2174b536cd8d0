use nl_core::IpPrefix;
use nl_core::route::{Encap, Route};

use super::facts::Facts;
use super::finding::Fault;
use crate::encap::{Seg6, Seg6Mode};
use crate::srh::Srh;

impl Facts {
    /// What is wrong with a list wherever it is used.
    pub(super) fn check_list(&self, seg6: &Seg6, faults: &mut Vec<Fault>) {
        if let Err(why) = seg6.check() {
            faults.push(Fault::Impossible { why: why.to_string() });
        }
        faults.extend(seg6.overwritten.map(|segment| Fault::NeverVisited { segment }));
        self.check_key(&seg6.srh, faults);
        let is_reduced = matches!(seg6.mode, Seg6Mode::EncapRed | Seg6Mode::L2EncapRed);
        if let [first, second, ..] = seg6.segments()
            && is_reduced
            && first == second
        {
            faults.push(Fault::RepeatsFirst { segment: *first });
        }
    }

    /// What is wrong with the way to the first segment of a route.
    pub(super) fn check_first_segment(&self, route: &Route, seg6: &Seg6, faults: &mut Vec<Fault>) {
        let Some(segment) = seg6.segments().first().copied() else { return };
        let table = route.in_table();
        let in_main = self.first_segments.get(&segment);
        let vrf = self.vrf(table);
        let taken = match vrf {
            Some(_) => self.vrf_segments.get(&table).and_then(|segments| segments.get(&segment)),
            None => in_main,
        };
        let is_same =
            |(prefix, table): &(IpPrefix, u32)| (*prefix, *table) == (route.prefix, route.in_table());
        match (taken, vrf) {
            (Some(Some(taken)), _) if is_same(taken) => faults.push(Fault::FirstSegmentLoops { segment }),
            (Some(None), Some(vrf))
                if self.closed_tables.contains(&table) && matches!(in_main, Some(Some(_))) =>
            {
                faults.push(Fault::UnreachableDefault { vrf: vrf.name.clone(), segment });
            }
            (Some(None), _) => faults.push(Fault::FirstSegmentUnreachable { segment }),
            _ => {}
        }
    }

    pub(super) fn check_key(&self, srh: &Srh, faults: &mut Vec<Fault>) {
        if let (Some(hmac), Some(keys)) = (srh.hmac_tlv(), &self.keys)
            && !keys.contains(&hmac.key)
        {
            faults.push(Fault::NoKey { key: hmac.key });
        }
    }
}
