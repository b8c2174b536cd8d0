//! HFSC: its qdisc, and every curve of a class in both of its forms.

use std::time::Duration;

use nl_tc::Rate;
use nl_tc::hfsc::{HfscClassConfig, HfscConfig, ServiceCurve};

use super::{ClassLine, QdiscLine, ms};

const MBIT: Rate = Rate::mbit(1);

pub(crate) fn classes() -> Vec<ClassLine> {
    let class = HfscClassConfig::new;
    let pieces = ServiceCurve::two_piece;
    vec![
        ("rt rate 1mbit", class().real_time(MBIT).into()),
        ("rt m2 1mbit", class().real_time(MBIT).into()),
        ("ls rate 1mbit", class().link_share(MBIT).into()),
        ("ls m2 100kbps", class().link_share(Rate::kbps(100)).into()),
        ("sc rate 1mbit", class().service(MBIT).into()),
        ("sc m2 8bit", class().service(Rate::bit(8)).into()),
        ("rt m1 2mbit d 10ms m2 1mbit", class().real_time(pieces(Rate::mbit(2), ms(10), MBIT)).into()),
        ("ls m1 0bit d 10ms m2 1mbit", class().link_share(pieces(Rate::ZERO, ms(10), MBIT)).into()),
        (
            "sc m1 2mbit d 1us m2 1mbit",
            class().service(pieces(Rate::mbit(2), Duration::from_micros(1), MBIT)).into(),
        ),
        ("sc m1 2mbit d 4000s m2 1mbit", class().service(pieces(Rate::mbit(2), ms(4_000_000), MBIT)).into()),
        ("rt m1 2mbit d 10ms m2 0bit", class().real_time(pieces(Rate::mbit(2), ms(10), Rate::ZERO)).into()),
        ("sc m2 34gbit", class().service(Rate::gbit(34)).into()),
        (
            "rt umax 1500b dmax 30ms rate 1mbit",
            class().real_time(ServiceCurve::delay(1500, ms(30), MBIT)).into(),
        ),
        (
            "rt umax 1500b dmax 10ms rate 1mbit",
            class().real_time(ServiceCurve::delay(1500, ms(10), MBIT)).into(),
        ),
        (
            "rt umax 4000b dmax 30ms rate 1mbit",
            class().real_time(ServiceCurve::delay(4000, ms(30), MBIT)).into(),
        ),
        (
            "rt umax 1b dmax 1us rate 1mbit",
            class().real_time(ServiceCurve::delay(1, Duration::from_micros(1), MBIT)).into(),
        ),
        ("rt dmax 10ms rate 1mbit", class().real_time(ServiceCurve::delay(0, ms(10), MBIT)).into()),
        (
            "ls umax 1k dmax 10ms rate 1mbit",
            class().link_share(ServiceCurve::delay(1024, ms(10), MBIT)).into(),
        ),
        ("ls rate 1mbit ul rate 2mbit", class().link_share(MBIT).upper_limit(Rate::mbit(2)).into()),
        ("sc rate 1mbit ul rate 2mbit", class().service(MBIT).upper_limit(Rate::mbit(2)).into()),
        (
            "sc m1 2mbit d 10ms m2 1mbit ul m1 4mbit d 10ms m2 2mbit",
            class()
                .service(pieces(Rate::mbit(2), ms(10), MBIT))
                .upper_limit(pieces(Rate::mbit(4), ms(10), Rate::mbit(2)))
                .into(),
        ),
        ("rt rate 1mbit ls rate 2mbit", class().real_time(MBIT).link_share(Rate::mbit(2)).into()),
        (
            "rt umax 1500b dmax 10ms rate 1mbit ls rate 2mbit ul rate 10mbit",
            class()
                .real_time(ServiceCurve::delay(1500, ms(10), MBIT))
                .link_share(Rate::mbit(2))
                .upper_limit(Rate::mbit(10))
                .into(),
        ),
    ]
}

pub(crate) fn qdiscs() -> Vec<QdiscLine> {
    vec![
        ("hfsc", HfscConfig::new().into()),
        ("hfsc default 10", HfscConfig::new().default_class(0x10).into()),
        ("hfsc default ffff", HfscConfig::new().default_class(0xffff).into()),
    ]
}
