//! Qdiscs for queues with times and credits: every option, from the man pages of tc. Most of them need a device with four queues.

use std::time::Duration;

use nl_tc::Rate;
use nl_tc::leaf::{
    CakeConfig, CakeDiffserv, CakeFlows, CakeMqConfig, CbsConfig, EtfConfig, MqprioConfig, RedAverage,
    RedConfig, TaprioConfig, TaprioEntry, TrafficClasses,
};

use super::QdiscLine;

/// tc-red(8)
pub(crate) fn red() -> Vec<QdiscLine> {
    let average = || RedAverage::new(1000).min(30_000).max(90_000).burst(55);
    let red = |average: RedAverage| RedConfig::new(400_000, &average).unwrap();
    vec![
        ("red limit 400000 min 30000 max 90000 avpkt 1000 burst 55 bandwidth 10mbit", red(average()).into()),
        (
            "red limit 400000 min 30000 max 90000 avpkt 1000 burst 55 bandwidth 1gbit probability 0.1 ecn",
            red(average().bandwidth(Rate::gbit(1)).probability(0.1)).ecn(true).into(),
        ),
        (
            "red limit 400000 min 30000 max 90000 avpkt 1000 burst 55 bandwidth 10mbit ecn harddrop",
            red(average()).ecn(true).harddrop(true).into(),
        ),
        (
            "red limit 400000 min 30000 max 90000 avpkt 1000 burst 55 bandwidth 10mbit ecn nodrop",
            red(average()).ecn(true).nodrop(true).into(),
        ),
        // The defaults.
        ("red limit 400000 avpkt 1000 bandwidth 10mbit", red(RedAverage::new(1000)).into()),
    ]
}

/// tc-cbs(8)
pub(crate) fn cbs() -> Vec<QdiscLine> {
    let cbs = CbsConfig::new().hicredit(30).locredit(-1470).sendslope(-980_000).idleslope(20_000);
    vec![
        ("cbs hicredit 30 locredit -1470 sendslope -980000 idleslope 20000", cbs.into()),
        ("cbs hicredit 1 locredit 0 sendslope 0 idleslope 0 offload 0", CbsConfig::new().hicredit(1).into()),
    ]
}

/// tc-etf(8)
pub(crate) fn etf() -> Vec<QdiscLine> {
    let etf = || EtfConfig::new(Duration::from_micros(300));
    vec![
        ("etf clockid CLOCK_TAI delta 300000", etf().into()),
        ("etf clockid CLOCK_TAI delta 300000 deadline_mode", etf().deadline_mode(true).into()),
        ("etf clockid CLOCK_TAI delta 300000 skip_sock_check", etf().skip_sock_check(true).into()),
    ]
}

const MAP: [u8; 16] = [2, 2, 1, 0, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2];

fn classes() -> TrafficClasses {
    TrafficClasses::new(3, MAP).queues([(1, 0), (1, 1), (2, 2)])
}

/// tc-mqprio(8)
pub(crate) fn mqprio() -> Vec<QdiscLine> {
    vec![(
        "mqprio num_tc 3 map 2 2 1 0 2 2 2 2 2 2 2 2 2 2 2 2 queues 1@0 1@1 2@2 hw 0",
        MqprioConfig::new(classes()).into(),
    )]
}

/// tc-taprio(8), with a base time that never comes, so that the schedule stays the one that is to come.
pub(crate) fn taprio() -> Vec<QdiscLine> {
    let micros = Duration::from_micros;
    let taprio =
        || TaprioConfig::new(classes()).clock(TaprioConfig::CLOCK_TAI).base_time(4_000_000_000_000_000_000);
    vec![
        (
            "taprio num_tc 3 map 2 2 1 0 2 2 2 2 2 2 2 2 2 2 2 2 queues 1@0 1@1 2@2 clockid CLOCK_TAI \
             base-time 4000000000000000000 sched-entry S 01 300000 sched-entry S 06 700000",
            taprio().set_gates(1, micros(300)).set_gates(6, micros(700)).into(),
        ),
        (
            "taprio num_tc 3 map 2 2 1 0 2 2 2 2 2 2 2 2 2 2 2 2 queues 1@0 1@1 2@2 clockid CLOCK_TAI \
             base-time 4000000000000000000 cycle-time 2000000 cycle-time-extension 5000 sched-entry S ff 300000",
            taprio()
                .cycle_time(micros(2000))
                .cycle_time_extension(micros(5))
                .entry(TaprioEntry { command: 0, gates: 0xff, interval: micros(300) })
                .into(),
        ),
    ]
}

/// Linux 7.0 and newer.
pub(crate) fn cake_mq() -> Vec<QdiscLine> {
    vec![
        ("cake_mq", CakeMqConfig::default().into()),
        (
            "cake_mq bandwidth 1gbit flows",
            CakeMqConfig(CakeConfig::new().bandwidth(Rate::gbit(1)).flows(CakeFlows::Flows)).into(),
        ),
        ("cake_mq bandwidth 100mbit besteffort wash ingress overhead 18 mpu 64", {
            let cake = CakeConfig::new().bandwidth(Rate::mbit(100)).diffserv(CakeDiffserv::BestEffort);
            CakeMqConfig(cake.wash(true).ingress(true).overhead(18).mpu(64)).into()
        }),
    ]
}
