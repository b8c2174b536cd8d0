//! Watches: what they have is what a list has, also after what the kernel has no event for.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::Duration;

use futures_util::StreamExt;
use nl_core::watch::{Change, Entry, Source, Watch};
use nl_tc::class::Class;
use nl_tc::filter::{Filter, Fw};
use nl_tc::leaf::FqCodelConfig;
use nl_tc::watch::{ClassTable, FilterTable};
use nl_tc::{TcHandle, TcVerb};
use nl_testkit::{Lab, Result, within};

use crate::support::{CLASS, DEV, QDISC, htb, mbit, wired};

const SOON: Duration = Duration::from_secs(30);

/// Reads changes until the entries are as wanted.
async fn until<S: Source>(watch: &mut Watch<S>, what: &str, wanted: impl Fn(&Watch<S>, bool) -> bool) {
    let found = async {
        let mut synced = false;
        while !wanted(watch, synced) {
            synced |= matches!(watch.next().await.unwrap().unwrap(), Change::Synced);
        }
    };
    within(SOON, found, what).await;
}

fn texts<'a, E: Entry + Debug>(entries: impl IntoIterator<Item = &'a E>) -> BTreeSet<String> {
    entries.into_iter().map(|entry| format!("{:?}", entry.normalized())).collect()
}

#[nl_testkit::test(needs(qdisc = "htb", qdisc = "fq_codel", tool = "tc"), timeout = 90)]
async fn qdiscs_are_watched_also_where_there_is_no_event(lab: Lab) -> Result {
    let ([node, _peer], tc) = htb(&lab).await?;
    let mut watch = tc.watch_qdiscs().await?;
    until(&mut watch, "the watch to be synced", |watch, synced| synced && watch.len() == 1).await;
    tc.class(DEV, CLASS).add(mbit(1)).await?;
    tc.qdisc(DEV, CLASS).add(FqCodelConfig::new()).await?;
    until(&mut watch, "the qdisc of a class", |watch, _| watch.len() == 2).await;
    let listed = tc.qdiscs().list().await?.collect_all().await?;
    let listed: Vec<_> = listed.into_iter().filter(|qdisc| !qdisc.handle.is_none()).collect();
    assert_eq!(texts(watch.entries()), texts(&listed));
    // It goes with its class, without an event.
    node.tc("class del dev eth0 classid 1:10").await;
    until(&mut watch, "the qdisc to go with its class", |watch, _| watch.len() == 1).await;
    node.delete_link(DEV).await?;
    until(&mut watch, "the qdisc to go with its device", |watch, _| watch.is_empty()).await;
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "htb", tool = "tc"), timeout = 90)]
async fn classes_are_watched_also_where_there_is_no_event(lab: Lab) -> Result {
    let ([node, _peer], tc) = htb(&lab).await?;
    let mut watch = tc.watch_classes(DEV).await?;
    until(&mut watch, "the watch to be synced", |_, synced| synced).await;
    for minor in 1..=50 {
        tc.class(DEV, QDISC.class(minor)).add(mbit(1)).await?;
    }
    until(&mut watch, "fifty classes", |watch, _| watch.len() == 50).await;
    let listed = tc.classes(DEV).list().await?.collect_all().await?;
    assert_eq!(texts(watch.entries()), texts(&listed));
    node.tc("class change dev eth0 classid 1:7 htb rate 5mbit").await;
    let changed = QDISC.class(7);
    until(&mut watch, "a changed class", |watch, _| {
        watch.entries().any(|class| class.handle == changed && class.config.to_string().contains("5Mbit"))
    })
    .await;
    tc.class(DEV, changed).delete().await?;
    until(&mut watch, "a deleted class", |watch, _| watch.len() == 49).await;
    // They go with their qdisc, without events.
    tc.qdisc(DEV, TcHandle::ROOT).delete().await?;
    until(&mut watch, "the classes to go with their qdisc", |watch, _| watch.is_empty()).await;
    Ok(())
}

#[nl_testkit::test(needs(vm, qdisc = "htb", tool = "tc"), timeout = 90)]
async fn filters_are_watched_also_where_there_is_no_event(lab: Lab) -> Result {
    let ([node, _peer], tc) = htb(&lab).await?;
    tc.class(DEV, CLASS).add(mbit(1)).await?;
    let index = node.index_of(DEV).await?;
    let mut watch = tc.watch_filters(DEV, QDISC).await?;
    until(&mut watch, "the watch to be synced", |_, synced| synced).await;
    let filter = move |mark| Filter::new(index, QDISC, Fw::new(CLASS)).priority(5).handle(mark);
    tc.batch((1..=50).map(move |mark| (TcVerb::Add, filter(mark)))).summarize(1).await?.into_result()?;
    until(&mut watch, "fifty filters", |watch, _| watch.len() == 50).await;
    let listed = tc.filters(DEV, QDISC).list().await?.collect_all().await?;
    let listed: Vec<_> = listed.into_iter().filter(Filter::is_added).collect();
    assert_eq!(texts(watch.entries()), texts(&listed));
    tc.filter(DEV, QDISC).priority(5).handle(7).delete().await?;
    until(&mut watch, "a deleted filter", |watch, _| watch.len() == 49).await;
    // All of a priority, with one event.
    tc.filter(DEV, QDISC).priority(5).delete().await?;
    until(&mut watch, "the filters to go with their priority", |watch, _| watch.is_empty()).await;
    Ok(())
}

/// A block goes with its last qdisc, without an event of its own.
#[nl_testkit::test(needs(vm, qdisc = "clsact", tool = "tc"), timeout = 90)]
async fn filters_of_a_block_are_watched_until_its_last_qdisc_goes(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    node.tc("qdisc add dev eth0 ingress_block 7 clsact").await;
    let mut watch = Watch::open(tc.connection(), FilterTable::of_block(7))?;
    until(&mut watch, "the watch to be synced", |_, synced| synced).await;
    node.tc("filter add block 7 prio 5 protocol all matchall action pass").await;
    until(&mut watch, "the filter", |watch, _| watch.len() == 1).await;
    node.tc("qdisc del dev eth0 clsact").await;
    until(&mut watch, "the filter to go with its block", |watch, _| watch.is_empty()).await;
    Ok(())
}

/// `ffff:` and `ffff:fff2` are the same place, and the kernel reports the name that was used last.
#[nl_testkit::test(needs(vm, qdisc = "clsact", tool = "tc"), timeout = 90)]
async fn filters_of_an_ingress_are_watched_under_both_of_its_names(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    node.tc("qdisc add dev eth0 ingress").await;
    let mut watch = tc.watch_filters(DEV, TcHandle::CLSACT_INGRESS).await?;
    until(&mut watch, "the watch to be synced", |_, synced| synced).await;
    let add = async |parent: &str, priority: u16| {
        node.tc(&format!("filter add dev eth0 {parent} prio {priority} protocol all matchall action pass"))
            .await;
    };
    add("ingress", 5).await;
    until(&mut watch, "a filter", |watch, _| watch.len() == 1).await;
    add("parent ffff:", 6).await;
    until(&mut watch, "a filter of the other name", |watch, _| watch.len() == 2).await;
    watch.resync();
    until(&mut watch, "a list with the other name", |watch, synced| {
        assert_eq!(watch.len(), 2);
        synced
    })
    .await;
    Ok(())
}

/// Changes of other devices wake nobody: the smallest buffer takes all of them.
#[nl_testkit::test(needs(qdisc = "htb", tool = "tc"), timeout = 90)]
async fn watch_of_classes_is_not_overrun_by_another_device(lab: Lab) -> Result {
    let ([node, _peer], tc) = htb(&lab).await?;
    let other = node.index_of("lo").await?;
    node.tc("qdisc add dev lo root handle 1: htb").await;
    let index = node.index_of(DEV).await?;
    let mut watch = Watch::builder(tc.connection(), ClassTable::new(index)).receive_buffer(0).open()?;
    until(&mut watch, "the watch to be synced", |_, synced| synced).await;
    let class = move |minor| Class::new(other, QDISC.class(minor), mbit(1));
    tc.batch((1..=500).map(move |minor| (TcVerb::Add, class(minor)))).summarize(1).await?.into_result()?;
    tc.class(DEV, CLASS).add(mbit(1)).await?;
    until(&mut watch, "the class", |watch, _| watch.len() == 1).await;
    assert_eq!(watch.overruns(), 0);
    Ok(())
}
