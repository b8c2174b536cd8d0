//! What is refused before the kernel is asked, with the limit in the text.

use std::time::Duration;

use nl_bridge::mst::{MstEntry, StpState};
use nl_bridge::tunnel::{TunnelEntry, TunnelVerb};
use nl_bridge::vlan_db::{McastRouter, VlanDbEntry, VlanDbGlobal, VlanDbVerb};
use nl_bridge::vni::{VniEntry, VniVerb};
use nl_core::Request;

use crate::{vlans, vnis};

#[track_caller]
fn refused(mut request: Request, text: &str) {
    let error = request.encoded().map(<[u8]>::len).unwrap_err();
    assert!(error.is_usage(), "{error}");
    assert_eq!(error.to_string(), text);
}

#[test]
fn options_of_a_vlan() {
    let entry = || VlanDbEntry::new(5, vlans("10"));
    let set = |entry: VlanDbEntry| entry.request(VlanDbVerb::Set);
    refused(set(entry()), "set vlan vid 10 dev #5: nothing to set: give a state or another option");
    refused(
        set(entry().pvid().untagged()),
        "set vlan vid 10 dev #5: nothing to set: give a state or another option",
    );
    refused(
        set(entry().state(StpState::Other(5))),
        "set vlan vid 10 dev #5 state 5: state 5; 0 to 4 are possible",
    );
    refused(
        set(entry().mcast_router(McastRouter::Other(4))),
        "set vlan vid 10 dev #5 mcast_router 4: mcast_router 4; 0 to 3 are possible",
    );
    refused(
        VlanDbEntry::new(5, vlans("10-11")).pvid().request(VlanDbVerb::Replace),
        "replace vlan vid 10-11 dev #5 pvid: pvid for the vlans 10-11; one VLAN is possible",
    );
    refused(
        VlanDbEntry::new(0, vlans("10")).request(VlanDbVerb::Delete),
        "delete vlan vid 10 dev #0: interface index 0; the first one is 1",
    );
}

#[test]
fn global_options() {
    let global = || VlanDbGlobal::new(3, vlans("10"));
    let what = "set global vlan vid 10 dev #3";
    refused(global().request(), &format!("{what}: nothing to set: give an option"));
    refused(global().msti(4096).request(), &format!("{what} msti 4096: msti 4096; 0 to 4095 are possible"));
    for version in [1, 4] {
        let text = format!("mcast_igmp_version {version}; 2 to 3 are possible");
        refused(
            global().mcast_igmp_version(version).request(),
            &format!("{what} mcast_igmp_version {version}: {text}"),
        );
    }
    refused(
        global().mcast_mld_version(3).request(),
        &format!("{what} mcast_mld_version 3: mcast_mld_version 3; 1 to 2 are possible"),
    );
    // The kernel would move them into the limits.
    refused(
        global().mcast_query_interval(Duration::from_millis(990)).request(),
        &format!("{what} mcast_query_interval 99: mcast_query_interval 990ms; 1s to 86400s are possible"),
    );
    refused(
        global().mcast_startup_query_interval(Duration::from_secs(86_401)).request(),
        &format!(
            "{what} mcast_startup_query_interval 8640100: mcast_startup_query_interval 86401s; 1s to 86400s are possible"
        ),
    );
    for time in [Duration::from_millis(5), Duration::MAX] {
        let error = global().mcast_querier_interval(time).request().encoded().map(<[u8]>::len).unwrap_err();
        let text =
            format!("mcast_querier_interval {time:?}; whole hundredths of a second up to 2⁶⁴−1 are possible");
        assert!(error.to_string().ends_with(&text), "{error}");
    }
}

#[test]
fn tunnels() {
    let entry = TunnelEntry::new(6, vlans("10-19"), vnis("10010-10018"));
    for (verb, word) in [(TunnelVerb::Add, "add"), (TunnelVerb::Delete, "delete")] {
        refused(
            entry.request(verb),
            &format!(
                "{word} tunnel vid 10-19 dev #6 tunnel_info id 10010-10018: 10 VLANs (10-19) for 9 VNIs (10010-10018); as many \
                 of each are needed"
            ),
        );
    }
    refused(
        TunnelEntry::new(0, vlans("10"), vnis("7")).request(TunnelVerb::Add),
        "add tunnel vid 10 dev #0 tunnel_info id 7: interface index 0; the first one is 1",
    );
}

#[test]
fn vni_filters() {
    refused(
        VniEntry::new(7, vnis("0")).request(VniVerb::Replace),
        "replace vni 0 dev #7: vni 0 alone; the kernel takes 0 only in a range",
    );
    VniEntry::new(7, vnis("0-3")).request(VniVerb::Replace).encoded().unwrap();
    refused(
        VniEntry::new(7, vnis("5")).group("::".parse().unwrap()).request(VniVerb::Replace),
        "replace vni 5 dev #7 remote ::: the unspecified address is neither a group nor a remote",
    );
    refused(
        VniEntry::new(0, vnis("5")).request(VniVerb::Delete),
        "delete vni 5 dev #0: interface index 0; the first one is 1",
    );
}

#[test]
fn states_of_an_msti() {
    refused(
        MstEntry::new(5, 0).request(),
        "set mst dev #5 msti 0 state forwarding: msti 0; 1 to 4095 are possible: the common tree has the state of the port",
    );
    refused(
        MstEntry::new(5, 4096).request(),
        "set mst dev #5 msti 4096 state forwarding: msti 4096; 1 to 4095 are possible",
    );
    refused(
        MstEntry::new(5, 1).state(StpState::Other(9)).request(),
        "set mst dev #5 msti 1 state 9: state 9; 0 to 4 are possible",
    );
}
