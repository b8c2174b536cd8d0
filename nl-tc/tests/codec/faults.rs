//! What users found and what must not come back.

use nl_core::message::MessageRef;
use nl_tc::leaf::TbfConfig;
use nl_tc::qdisc::{Qdisc, QdiscConfig};
use nl_tc::{Rate, TcHandle, TcVerb};

use crate::{refused, sent};

/// An attribute of the options of a qdisc request, found by its header.
fn option(bytes: &[u8], kind: u16) -> Option<Vec<u8>> {
    let message = MessageRef::parse(bytes).unwrap();
    let (_, attrs) = message.header::<nl_tc::TcMsg>().unwrap();
    let options = attrs.find(2).unwrap().unwrap();
    Some(options.attrs().find(kind).unwrap()?.value().to_vec())
}

/// 40 MB at 100 kbit/s take 3200 s, which no field of ticks holds, but `TCA_TBF_BURST` is in bytes.
#[test]
fn tbf_burst_in_bytes_has_the_limit_of_bytes() {
    let config = TbfConfig::new(Rate::kbit(100), 40_000_000).limit(40_100_000);
    let bytes = sent(Qdisc::new(2, TcHandle::ROOT, config.clone()).request(TcVerb::Add));
    assert_eq!(option(&bytes, 6), Some(40_000_000_u32.to_ne_bytes().to_vec()));
    // As the kernel reports it: 3200 s in ticks of 64 ns, of which 32 bits remain.
    let ticks = u32::try_from((3_200_000_000_000_u64 / 64) & u64::from(u32::MAX)).unwrap();
    let time = std::time::Duration::from_nanos(u64::from(ticks) * 64);
    let mut read = TbfConfig::new(Rate::kbit(100), time).limit(40_100_000);
    assert!(QdiscConfig::from(config.clone()).is_met_by(&read.clone().into()));
    read.limit = Some(1);
    assert!(!QdiscConfig::from(config).is_met_by(&read.into()));
}

/// With the burst as the limit, nothing would wait.
#[test]
fn tbf_without_a_limit_is_refused() {
    let config = TbfConfig::new(Rate::mbit(1), 1500);
    let error = refused(Qdisc::new(2, TcHandle::ROOT, config).request(TcVerb::Add));
    assert!(error.contains("no limit; limit() or latency() is needed"), "{error}");
}
