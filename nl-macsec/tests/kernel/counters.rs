//! Every counter against iproute2, and rates over rotations.

use std::time::Instant;

use nl_macsec::CipherSuite;
use nl_macsec::device::MacsecDevice;
use nl_macsec::secy::{Secy, SecySampler};
use nl_testkit::{Lab, Result, eventually};

use crate::support::{End, Pair, SOON, id, key};

/// The counters of a device, of what it sends and receives and of the associations, in the order of `ip -s macsec show`.
type Blocks = Vec<Vec<(String, u64)>>;

fn ours(secy: &Secy) -> Blocks {
    let block = |counters: &[(&str, u64)]| {
        counters.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
    };
    let (stats, tx) = (&secy.stats, &secy.tx_stats);
    let mut blocks = vec![
        block(&[
            ("OutPktsUntagged", stats.out_packets_untagged),
            ("InPktsUntagged", stats.in_packets_untagged),
            ("OutPktsTooLong", stats.out_packets_too_long),
            ("InPktsNoTag", stats.in_packets_no_tag),
            ("InPktsBadTag", stats.in_packets_bad_tag),
            ("InPktsUnknownSCI", stats.in_packets_unknown_sci),
            ("InPktsNoSCI", stats.in_packets_no_sci),
            ("InPktsOverrun", stats.in_packets_overrun),
        ]),
        block(&[
            ("OutPktsProtected", tx.packets_protected),
            ("OutPktsEncrypted", tx.packets_encrypted),
            ("OutOctetsProtected", tx.octets_protected),
            ("OutOctetsEncrypted", tx.octets_encrypted),
        ]),
    ];
    blocks.extend(secy.tx_sas.iter().map(|sa| {
        block(&[
            ("OutPktsProtected", sa.stats.packets_protected.into()),
            ("OutPktsEncrypted", sa.stats.packets_encrypted.into()),
        ])
    }));
    for channel in &secy.rx_scs {
        let stats = &channel.stats;
        blocks.push(block(&[
            ("InOctetsValidated", stats.octets_validated),
            ("InOctetsDecrypted", stats.octets_decrypted),
            ("InPktsUnchecked", stats.packets_unchecked),
            ("InPktsDelayed", stats.packets_delayed),
            ("InPktsOK", stats.packets_ok),
            ("InPktsInvalid", stats.packets_invalid),
            ("InPktsLate", stats.packets_late),
            ("InPktsNotValid", stats.packets_not_valid),
            ("InPktsNotUsingSA", stats.packets_not_using_sa),
            ("InPktsUnusedSA", stats.packets_unused_sa),
        ]));
        blocks.extend(channel.sas.iter().map(|sa| {
            block(&[
                ("InPktsOK", sa.stats.packets_ok.into()),
                ("InPktsInvalid", sa.stats.packets_invalid.into()),
                ("InPktsNotValid", sa.stats.packets_not_valid.into()),
                ("InPktsNotUsingSA", sa.stats.packets_not_using_sa.into()),
                ("InPktsUnusedSA", sa.stats.packets_unused_sa.into()),
            ])
        }));
    }
    blocks
}

/// A line of names, and one of values below it.
fn shown(text: &str) -> Blocks {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(names) = line.trim_start().strip_prefix("stats:") else { continue };
        let values = lines.next().unwrap_or_default().split_whitespace();
        let names = names.split_whitespace().map(str::to_owned);
        blocks.push(names.zip(values.map(|value| value.parse().unwrap())).collect());
    }
    blocks
}

/// Compares every counter of an end with what iproute2 shows.
pub(crate) async fn are_as_shown(end: &End, what: &str) {
    let read = async || end.macsec.secy("macsec0").get().await.ok();
    let both = async || {
        let before = read().await?;
        let text = end.node.ip("-s macsec show macsec0").await;
        (read().await? == before).then(|| (ours(&before), shown(&text)))
    };
    let (ours, shown) = eventually(SOON, both, "the counters to stand still").await;
    assert_eq!(ours, shown, "{what}");
}

/// Each key begins its counters at 0; those of the channel go on, and nothing is counted twice.
#[nl_testkit::test(needs(link = "macsec", genl = "macsec", tool = "ip", host_root))]
async fn rates_over_rotations_count_every_packet_once(lab: Lab) -> Result {
    const DATAGRAMS: u32 = 5;
    let suite = CipherSuite::GcmAes128;
    let pair = Pair::new(&lab, &MacsecDevice::new().encrypt(true)).await?;
    let mut samplers = [SecySampler::new(), SecySampler::new()];
    for number in 60..66 {
        assert_eq!(pair.datagrams(DATAGRAMS, SOON).await?, DATAGRAMS);
        for (end, _) in pair.ends() {
            let rotate = end.macsec.rotate("macsec0").key(&key(suite, number)).key_id(id(number));
            rotate.allow_reuse().install().await?;
        }
        for (end, _) in pair.ends() {
            end.macsec.rotate("macsec0").key_id(id(number)).switch().await?;
        }
        assert_eq!(pair.datagrams(DATAGRAMS, SOON).await?, DATAGRAMS);
        for (end, _) in pair.ends() {
            end.macsec.rotate("macsec0").key_id(id(number)).retire().await?;
        }
        let (near, far) =
            (pair.near.macsec.secy("macsec0").get().await?, pair.far.macsec.secy("macsec0").get().await?);
        let now = Instant::now();
        let rates = (samplers[0].sample(now, &near), samplers[1].sample(now, &far));
        let (Some(sent), Some(received)) = rates else {
            assert_eq!(number, 60, "only the first reading has no rates");
            continue;
        };
        assert_eq!(sent.tx.packets_encrypted, u64::from(2 * DATAGRAMS), "{sent:?}");
        assert_eq!(received.rx_scs[0].stats.packets_ok, u64::from(2 * DATAGRAMS), "{received:?}");
        assert!(!sent.restarted && !received.restarted && !received.rx_scs[0].restarted);
        // The key of this round has sent the second half.
        let by_key: Vec<_> = sent.tx_sas.iter().map(|sa| (sa.key_id, sa.stats.packets_encrypted)).collect();
        assert_eq!(by_key, [(id(number), DATAGRAMS)]);
        let by_key: Vec<_> =
            received.rx_scs[0].sas.iter().map(|sa| (sa.key_id, sa.stats.packets_ok)).collect();
        assert_eq!(by_key, [(id(number), DATAGRAMS)]);
        assert!(sent.per_second(sent.tx.packets_encrypted) > 0.0);
    }
    Ok(())
}
