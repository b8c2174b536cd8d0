//! Lists whose messages hold several entries, of a simulated kernel.

use futures_util::StreamExt;
use nl_bridge::vlan_db::{RTM_NEWVLAN, VlanDb};
use nl_core::{Connection, Protocol};
use nl_testkit::fault::{Answer, Conversation, Peer};

/// A message of `br_vlan_msg` for device 5 with an entry for each of the VLANs; VLAN 0 is malformed.
fn vlans(list: &[u16]) -> Answer {
    let header = [&[7, 0, 0, 0][..], &5_u32.to_ne_bytes()].concat();
    list.iter().fold(Answer::new(RTM_NEWVLAN, &header), |answer, vlan| {
        let info = [8_u16.to_ne_bytes(), 1_u16.to_ne_bytes(), [0; 2], vlan.to_ne_bytes()].concat();
        answer.attr(1 | 0x8000, &info)
    })
}

async fn listed(messages: Vec<Answer>) -> Vec<String> {
    let source = move || {
        let (socket, peer) = Peer::pair()?;
        let messages = messages.clone();
        tokio::spawn(peer.serve(move |request| {
            let parts = messages.iter().map(|message| message.clone().multi().answers(request));
            Conversation::of(parts.chain([Answer::done(0).answers(request)]))
        }));
        Ok(socket)
    };
    let conn = Connection::builder(Protocol::Route).sockets_from(source).open().unwrap();
    let list = VlanDb::new(conn).entries().list().await.unwrap();
    list.map(|entry| entry.map_or_else(|error| error.to_string(), |entry| entry.vlans.to_string()))
        .collect()
        .await
}

#[tokio::test]
async fn each_entry_of_each_message_is_listed() {
    assert_eq!(
        listed(vec![vlans(&[1, 2]), vlans(&[]), vlans(&[7]), vlans(&[8, 9, 10])]).await,
        ["1", "2", "7", "8", "9", "10"]
    );
    assert!(listed(vec![]).await.is_empty());
}

#[tokio::test]
async fn entries_before_a_malformed_one_are_listed_and_the_list_goes_on_behind_its_message() {
    let listed = listed(vec![vlans(&[1, 0, 3]), vlans(&[4])]).await;
    assert_eq!((listed.len(), &*listed[0], &*listed[2]), (3, "1", "4"));
    assert!(listed[1].contains("not a VLAN or a range of them"), "{listed:?}");
}
