//! Qdiscs that manage one queue or many flows: every option, from the man pages of tc.

use std::time::Duration;

use nl_tc::leaf::{CodelConfig, FqPieConfig, PieConfig};

use super::{QdiscLine, ms};

/// tc-codel(8)
pub(crate) fn codel() -> Vec<QdiscLine> {
    let codel = CodelConfig::new;
    vec![
        ("codel", codel().into()),
        ("codel limit 500", codel().limit(500).into()),
        ("codel target 10ms interval 200ms", codel().target(ms(10)).interval(ms(200)).into()),
        ("codel target 1us", codel().target(Duration::from_micros(1)).into()),
        ("codel ecn", codel().ecn(true).into()),
        ("codel noecn", codel().ecn(false).into()),
        ("codel ce_threshold 1ms", codel().ce_threshold(ms(1)).into()),
    ]
}

/// tc-pie(8)
pub(crate) fn pie() -> Vec<QdiscLine> {
    let pie = PieConfig::new;
    vec![
        ("pie", pie().into()),
        ("pie limit 500", pie().limit(500).into()),
        ("pie target 20ms tupdate 40ms", pie().target(ms(20)).tupdate(ms(40)).into()),
        ("pie target 15us", pie().target(Duration::from_micros(15)).into()),
        ("pie alpha 1 beta 32", pie().alpha(1).beta(32).into()),
        ("pie ecn", pie().ecn(true).into()),
        ("pie noecn", pie().ecn(false).into()),
        ("pie bytemode", pie().bytemode(true).into()),
        ("pie nobytemode", pie().bytemode(false).into()),
        ("pie dq_rate_estimator", pie().dq_rate_estimator(true).into()),
        ("pie no_dq_rate_estimator", pie().dq_rate_estimator(false).into()),
    ]
}

/// tc-fq_pie(8)
pub(crate) fn fq_pie() -> Vec<QdiscLine> {
    let fq = FqPieConfig::new;
    vec![
        ("fq_pie", fq().into()),
        ("fq_pie limit 500 flows 16", fq().limit(500).flows(16).into()),
        ("fq_pie target 20ms tupdate 40ms", fq().target(ms(20)).tupdate(ms(40)).into()),
        ("fq_pie alpha 1 beta 32", fq().alpha(1).beta(32).into()),
        ("fq_pie quantum 3000 memory_limit 1mb", fq().quantum(3000).memory_limit(1 << 20).into()),
        ("fq_pie ecn ecn_prob 25", fq().ecn(true).ecn_prob(25).into()),
        ("fq_pie noecn", fq().ecn(false).into()),
        ("fq_pie bytemode", fq().bytemode(true).into()),
        ("fq_pie dq_rate_estimator", fq().dq_rate_estimator(true).into()),
    ]
}
