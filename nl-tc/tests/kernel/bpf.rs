//! Filters that are BPF programs: ours by descriptor and shown by `tc`, those of `tc` read and written back.

use std::time::Duration;

use nl_tc::filter::{Bpf, Filter, FilterConfig};
use nl_tc::leaf::Clsact;
use nl_tc::{Tc, TcHandle, TcVerb};
use nl_testkit::bpf::{BpfVerdict, load_sched_cls};
use nl_testkit::{EthFrame, Lab, Result};

use crate::support::{DEV, lines, wired};

const EGRESS: TcHandle = TcHandle::CLSACT_EGRESS;
const SOON: Duration = Duration::from_secs(10);

async fn added(tc: &Tc) -> Result<Vec<Filter>> {
    let mut all = tc.filters(DEV, EGRESS).read_all().await?;
    all.retain(Filter::is_added);
    Ok(all)
}

fn frame(payload: u8) -> Vec<u8> {
    EthFrame::new([2, 0, 0, 0, 0, 9], [2, 0, 0, 0, 0, 1], EthFrame::TEST, &[payload; 60]).to_bytes()
}

#[nl_testkit::test(needs(vm, host_root, qdisc = "clsact", link = "veth", tool = "tc"), timeout = 60)]
async fn program_by_its_descriptor_decides_and_is_shown_by_tc(lab: Lab) -> Result {
    let ([node, peer], tc) = wired(&lab).await?;
    tc.qdisc(DEV, TcHandle::CLSACT).add(Clsact).await?;
    let filter = || tc.filter(DEV, EGRESS).priority(5).handle(1);
    let fd = load_sched_cls(BpfVerdict::Ok)?;
    filter().add(Bpf::new(&fd, "let_go").direct_action(true)).await?;
    // The filter has a reference of its own.
    drop(fd);
    let shown = node.tc("filter show dev eth0 egress").await;
    assert!(shown.contains("let_go direct-action"), "{shown}");
    let [read] = &added(&tc).await?[..] else { return Err("not one filter".into()) };
    let FilterConfig::Bpf(bpf) = &read.config else { return Err(format!("{read:?}").into()) };
    assert!(bpf.fd.is_none() && bpf.direct_action && bpf.name == "let_go", "{bpf:?}");
    let id = bpf.id.unwrap();
    let tag: String = bpf.tag.unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(
        shown.contains(&format!("id {id} ")) && shown.contains(&format!("tag {tag}")),
        "{id} {tag}\n{shown}"
    );
    // Without a descriptor it cannot be written.
    let error = filter().change(bpf.clone()).await.unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("file descriptor"), "{error}");

    let mut capture = peer.capture(DEV).await?;
    let is_ours = |frame: &EthFrame| frame.ethertype == EthFrame::TEST;
    node.send_frame(DEV, &frame(1)).await?;
    assert_eq!(capture.expect(is_ours, SOON).await.payload[0], 1);

    // The other program in its place, at once.
    let fd = load_sched_cls(BpfVerdict::Drop)?;
    filter().change(Bpf::new(&fd, "drop_all").direct_action(true)).await?;
    let shown = node.tc("filter show dev eth0 egress").await;
    assert!(shown.contains("drop_all direct-action") && !shown.contains("let_go"), "{shown}");
    // Its socket notices that the frame is dropped, or not.
    let _ = node.send_frame(DEV, &frame(2)).await;
    filter().delete().await?;
    assert_eq!(added(&tc).await?, []);
    // Frames arrive in order.
    node.send_frame(DEV, &frame(3)).await?;
    assert_eq!(capture.expect(is_ours, SOON).await.payload[0], 3);
    Ok(())
}

/// A classic program has no type here, and is kept as bytes.
#[nl_testkit::test(needs(vm, host_root, qdisc = "clsact", tool = "tc"))]
async fn classic_program_of_tc_is_the_same_when_written_back(lab: Lab) -> Result {
    let ([node, _peer], tc) = wired(&lab).await?;
    tc.qdisc(DEV, TcHandle::CLSACT).add(Clsact).await?;
    let words = "tc filter add dev eth0 egress prio 5 handle 1 bpf bytecode";
    let words = words.split_whitespace().chain(["1,6 0 0 4294967295,", "flowid", "1:1"]);
    node.command(words).await.ok();
    let shown = lines(&node, "filter show dev eth0 egress").await;
    assert!(shown.iter().any(|line| line.contains("bytecode")), "{shown:#?}");
    let read = added(&tc).await?;
    assert!(matches!(&read[..], [Filter { config: FilterConfig::Other { .. }, .. }]), "{read:?}");
    tc.filters(DEV, EGRESS).flush().await?;
    tc.batch(read.clone().into_iter().map(|filter| (TcVerb::Add, filter)))
        .summarize(1)
        .await?
        .into_result()?;
    assert_eq!(lines(&node, "filter show dev eth0 egress").await, shown);
    assert_eq!(added(&tc).await?, read);
    Ok(())
}
