//! Every change, without privilege and of a device that is gone: the kind of the error, its number, and what it says was asked. Busy, exists,
//! not found and unsupported are in `verbs.rs`, `errors.rs` and `faults.rs`.

use nl_core::error::{Errno, ErrorKind};
use nl_core::{Connection, Dev, Error, Protocol};
use nl_tc::action::Action;
use nl_tc::class::Class;
use nl_tc::filter::{Filter, Matchall};
use nl_tc::htb::HtbConfig;
use nl_tc::leaf::FqCodelConfig;
use nl_tc::qdisc::Qdisc;
use nl_tc::tree::Tree;
use nl_tc::{Tc, TcHandle, TcObject, TcVerb};
use nl_testkit::{Lab, Result};

use crate::support::{CLASS, DEV, QDISC, htb, lines, mbit};

/// The beginning of the operation, and the error; `None` for a success.
type Refused = (&'static str, Option<Error>);

async fn refused<T>(what: &'static str, outcome: impl Future<Output = nl_core::Result<T>>) -> Refused {
    (what, outcome.await.err())
}

/// The kernel refused it with this number, and the error says what was asked of which device.
#[track_caller]
fn is((what, error): Refused, errno: Errno, dev: &str) -> Error {
    let error = error.ok_or_else(|| format!("{what}: not refused")).unwrap();
    assert!(matches!(error.kind(), ErrorKind::Kernel(_)), "{what}: {error}");
    assert_eq!(error.errno(), Some(errno), "{what}: {error}");
    let operation = error.operation().unwrap_or_default();
    assert!(operation.starts_with(what), "{what}: {error}");
    assert!(operation.split(' ').any(|word| word == dev), "{what} names no {dev}: {error}");
    let text = error.to_string();
    assert!(text.lines().next().is_some_and(|line| line.ends_with(&errno.to_string())), "{text}");
    error
}

async fn changes(tc: &Tc, dev: &Dev) -> Vec<Refused> {
    let class = || tc.class(dev, QDISC.class(0x20)).parent(QDISC);
    let filter = || tc.filter(dev, QDISC).priority(5);
    vec![
        refused("add qdisc", tc.qdisc(dev, CLASS).add(FqCodelConfig::new())).await,
        refused("replace qdisc", tc.qdisc(dev, TcHandle::ROOT).handle(QDISC).replace(HtbConfig::new())).await,
        refused("delete qdisc", tc.qdisc(dev, TcHandle::ROOT).delete()).await,
        refused("add class", class().add(mbit(1))).await,
        refused("replace class", class().replace(mbit(1))).await,
        refused("delete class", tc.class(dev, CLASS).delete()).await,
        refused("add filter", filter().add(Matchall::new(CLASS))).await,
        refused("delete filter", filter().delete()).await,
    ]
}

#[nl_testkit::test(needs(qdisc = "htb", qdisc = "fq_codel", tool = "tc"))]
async fn every_change_without_privilege_is_eperm_and_named(lab: Lab) -> Result {
    let ([node, _peer], tc) = htb(&lab).await?;
    tc.class(DEV, CLASS).add(mbit(1)).await?;
    let index = node.index_of(DEV).await?;
    let before = lines(&node, "-d class show dev eth0").await;
    let (errors, of_a_batch) = node
        .unprivileged(async move || {
            let tc = Tc::new(Connection::open(Protocol::Route)?);
            let errors = changes(&tc, &Dev::from(DEV)).await;
            let changes: [TcObject; 3] = [
                Qdisc::new(index, CLASS, FqCodelConfig::new()).into(),
                Class::new(index, QDISC.class(0x20), mbit(1)).parent(QDISC).into(),
                Filter::new(index, QDISC, Matchall::new(CLASS)).priority(5).into(),
            ];
            let batch = tc.batch(changes.map(|change| (TcVerb::Add, change))).summarize(3).await?;
            let tree = Tree::new().qdisc(TcHandle::ROOT, QDISC, HtbConfig::new());
            let mut others: Vec<_> = batch.failures.into_iter().map(|(_, error)| error).collect();
            others.extend(tc.apply(DEV, &tree.class(QDISC, QDISC.class(0x30), mbit(1))).await.err());
            others.extend(tc.action(Action::drop()).add().await.err());
            // Reading takes no privilege.
            assert_eq!(tc.classes(DEV).list().await?.collect_all().await?.len(), 1);
            Ok::<_, Error>((errors, others))
        })
        .await??;
    for refused in errors {
        let error = is(refused, Errno::EPERM, DEV);
        assert!(error.is_permission() && !error.is_not_found(), "{error}");
    }
    assert_eq!(of_a_batch.len(), 5, "{of_a_batch:#?}");
    for error in of_a_batch {
        assert!(error.is_permission() && error.operation().is_some(), "{error}");
    }
    assert_eq!(lines(&node, "-d class show dev eth0").await, before);
    Ok(())
}

/// Between the look-up of a name and its next use, and behind an index.
#[nl_testkit::test(needs(qdisc = "htb", link = "veth", tool = "ip"))]
async fn every_change_of_a_device_that_is_gone_is_enodev_and_named(lab: Lab) -> Result {
    let ([node, _peer], tc) = htb(&lab).await?;
    for by_name in [true, false] {
        node.ip("link add gone type veth peer name other").await;
        // Remembered.
        let index = tc.connection().link_index("gone").await?;
        tc.qdisc("gone", TcHandle::ROOT).handle(QDISC).add(HtbConfig::new()).await?;
        node.ip("link delete gone").await;
        let dev = if by_name { Dev::from("gone") } else { Dev::from(index) };
        for refused in changes(&tc, &dev).await {
            let error = is(refused, Errno::ENODEV, &dev.to_string());
            assert!(error.is_not_found() && !error.is_permission(), "{error}");
        }
        let errors = [
            tc.qdiscs().dev(&dev).list().await.err(),
            tc.classes(&dev).list().await.err(),
            tc.filters(&dev, QDISC).list().await.err(),
            tc.snapshot(&dev).await.err(),
            tc.apply(&dev, &Tree::new()).await.err(),
        ];
        for error in errors {
            let error = error.ok_or("not refused")?;
            assert_eq!(error.errno(), Some(Errno::ENODEV), "{error}");
            assert!(error.to_string().contains(&dev.to_string()), "{error}");
        }
    }
    Ok(())
}
