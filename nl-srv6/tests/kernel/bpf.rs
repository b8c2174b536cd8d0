//! `End.BPF` with the smallest programs: one that lets packets go on, and one that drops them.

use std::os::fd::{AsRawFd, OwnedFd};

use nl_srv6::encap::Seg6;
use nl_srv6::sid::{BpfProgram, SidAction, SidCounters, Sids};
use nl_testkit::bpf::{BpfVerdict, load_seg6local};
use nl_testkit::{Lab, Result, eventually};

use crate::commands::addr;
use crate::support::{SOON, is_plain, network, routes, sids};

const SID: &str = "fcbb:0:b::";
const LAST: &str = "fcbb:0:d:1::";

fn program(fd: &OwnedFd, name: &str) -> Result<BpfProgram> {
    Ok(BpfProgram::new(u32::try_from(fd.as_raw_fd())?, name))
}

async fn counters(sids: &Sids) -> SidCounters {
    sids.sid(SID.parse().unwrap()).get().await.unwrap().local.counters.unwrap()
}

#[nl_testkit::test(needs(vm, host_root, link = "veth", tool = "ip"), timeout = 60)]
async fn program_of_end_bpf_decides_about_packets(lab: Lab) -> Result {
    let net = network(&lab).await?;
    let (b, d) = (sids(&net.b).await?, sids(&net.d).await?);
    d.end_dx6(LAST.parse()?, addr("2001:db8:2::1")).dev("b").add().await?;
    let path = Seg6::encap([addr(SID), addr(LAST)]);
    routes(&net.a).await?.entry("2001:db8:2::/64".parse()?, &path).dev("b").add().await?;

    let fd = load_seg6local(BpfVerdict::Ok)?;
    b.end_bpf(SID.parse()?, program(&fd, "let_go")?).counters().dev("a").add().await?;
    // The SID has a reference of its own.
    drop(fd);
    let mut capture = net.c2.capture("eth0").await?;
    net.send("[2001:db8:2::1]:5000", 3).await;
    for _ in 0..3 {
        capture.expect(is_plain, SOON).await;
    }
    assert_eq!((counters(&b).await.packets, counters(&b).await.errors), (3, 0));

    // As it is read: a number in place of the descriptor, which cannot be written.
    let shown = net.b.ip(&format!("-6 route show {SID}")).await;
    assert!(shown.contains("action End.BPF endpoint let_go"), "{shown}");
    let read = b.sid(SID.parse()?).get().await?;
    let SidAction::EndBpf { program: there } = read.local.action.clone() else { unreachable!("{read:?}") };
    assert!(there.is_read && there.prog > 0 && there.name == "let_go", "{there:?}");
    let error = b.end_bpf(SID.parse()?, there).dev("a").replace().await.unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("give a descriptor to write it"), "{error}");

    let fd = load_seg6local(BpfVerdict::Drop)?;
    b.end_bpf(SID.parse()?, program(&fd, "drop_all")?).counters().dev("a").replace().await?;
    net.send("[2001:db8:2::1]:5000", 2).await;
    let dropped = async || {
        let counters = counters(&b).await;
        (counters.errors == 2).then_some(counters.packets)
    };
    assert_eq!(eventually(SOON, dropped, "two packets that the program drops").await, 0);

    // Compared by name, since a descriptor says nothing later.
    let error = b.end_bpf(SID.parse()?, program(&fd, "let_go")?).delete().await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    b.end_bpf(SID.parse()?, program(&fd, "drop_all")?).delete().await?;
    Ok(())
}

#[nl_testkit::test(needs(vm, host_root, link = "veth", tool = "ip"), timeout = 60)]
async fn descriptor_that_is_no_program_is_refused(lab: Lab) -> Result {
    let net = network(&lab).await?;
    let b = sids(&net.b).await?;
    let file: OwnedFd = std::fs::File::open("/proc/self/status")?.into();
    let entry = |program: BpfProgram| b.end_bpf(SID.parse().unwrap(), program).dev("a");
    let error = entry(program(&file, "no_program")?).add().await.unwrap_err();
    let expected = "add route fcbb:0:b:: encap seg6local action End.BPF endpoint no_program dev a: Invalid argument (EINVAL)";
    assert!(error.to_string().starts_with(expected), "{error}");
    let error = entry(BpfProgram::new(0x7fff_fff0, "closed")).add().await.unwrap_err();
    assert!(error.to_string().contains("(EBADF)"), "{error}");
    let error = entry(program(&file, "")?).add().await.unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("without a name"), "{error}");
    Ok(())
}
