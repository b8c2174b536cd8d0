//! The kinds of qdiscs that came later: what is set is read back and written again as the same bytes, and what the kernel would refuse
//! or misread is refused with the limit.

use std::time::Duration;

use nl_core::message::MessageRef;
use nl_tc::leaf::{CodelConfig, FqPieConfig, PieConfig};
use nl_tc::qdisc::{Qdisc, QdiscConfig};
use nl_tc::{TcHandle, TcVerb};

use crate::refused;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The request that adds it at the root.
fn added(config: &QdiscConfig) -> Vec<u8> {
    let qdisc = Qdisc::new(2, TcHandle::ROOT, config.clone()).handle(TcHandle::new(1, 0));
    qdisc.request(TcVerb::Add).encoded().unwrap().to_vec()
}

/// As it is read from these bytes.
fn read(bytes: &[u8]) -> Qdisc {
    Qdisc::decode(MessageRef::parse(bytes).unwrap()).unwrap()
}

fn round_trips(config: impl Into<QdiscConfig>) {
    let config = config.into();
    let bytes = added(&config);
    let back = read(&bytes);
    assert_eq!(back.config, config);
    assert!(config.is_met_by(&back.config), "{config}");
    assert!(back.config.is_met_by(&back.config), "{config}");
    assert_eq!(back.request(TcVerb::Add).encoded().unwrap(), bytes, "{config}");
}

fn is_refused(config: impl Into<QdiscConfig>, why: &str) {
    let text = refused(Qdisc::new(2, TcHandle::ROOT, config).request(TcVerb::Add));
    assert!(text.contains(why), "{text}");
}

#[test]
fn codel_pie_and_fq_pie_round_trip() {
    round_trips(CodelConfig::new());
    round_trips(CodelConfig::new().limit(5).ecn(false));
    round_trips(PieConfig::new());
    let pie = PieConfig::new().limit(5).target(ms(16)).tupdate(ms(20)).alpha(1).beta(32);
    round_trips(pie.ecn(true).bytemode(false).dq_rate_estimator(true));
    let fq_pie = FqPieConfig::new().limit(5).flows(7).target(ms(16)).tupdate(ms(20)).alpha(1).beta(32);
    round_trips(fq_pie.quantum(300).memory_limit(1 << 20).ecn_prob(25).ecn(false).bytemode(true));
}

/// The kernel reports another time than it received; one that is written back is reported the same.
#[test]
fn pie_target_written_back_stays_the_same() {
    for micros in (0..4000).chain([15_000, 20_001, 4_294_960, 4_294_967]) {
        let reported = |micros: u64| micros * 1000 / 64 * 64 / 1000;
        let asked = QdiscConfig::from(PieConfig::new().target(Duration::from_micros(micros)));
        let first = read(&added(&PieConfig::new().target(Duration::from_micros(reported(micros))).into()));
        let QdiscConfig::Pie(first) = first.config else { panic!("{first:?}") };
        assert!(asked.is_met_by(&first.into()), "{micros}: {first:?}");
        let again = u64::try_from(first.target.unwrap().as_micros()).unwrap();
        assert_eq!(reported(again), reported(micros), "{micros}");
    }
}

#[test]
fn what_a_delay_controller_would_misread_is_refused() {
    is_refused(CodelConfig::new().limit(0), "limit 0; 1 to 4294967295 are possible");
    is_refused(CodelConfig::new().target(Duration::ZERO), "target 0; 1us is the minimum");
    is_refused(CodelConfig::new().interval(Duration::ZERO), "interval 0; 1us is the minimum");
    is_refused(PieConfig::new().limit(0), "limit 0; 1 to 4294967295 are possible");
    is_refused(PieConfig::new().alpha(33), "alpha 33; 0 to 32 are possible");
    is_refused(PieConfig::new().target(Duration::from_secs(5)), "target 5s; 4.294967s are possible");
    is_refused(PieConfig::new().tupdate(Duration::ZERO), "tupdate 0; 1us is the minimum");
    is_refused(FqPieConfig::new().flows(65_537), "flows 65537; 1 to 65536 are possible");
    is_refused(FqPieConfig::new().quantum(0), "quantum 0; 1 to 2147483647 are possible");
    is_refused(FqPieConfig::new().ecn_prob(101), "ecn_prob 101; 0 to 100 are possible");
}
