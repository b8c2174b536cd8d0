//! What is said of real refusals shows neither a key nor a salt.

use nl_macsec::{CipherSuite, SecretKey};
use nl_testkit::{Lab, Result};

use crate::support::{id, sci, with_device};

/// Each byte of the key: `ab`, 171.
const KEY: u8 = 0xab;

#[track_caller]
fn assert_silent(text: &str) {
    let dense: String = text.split_whitespace().collect::<String>().to_lowercase();
    for secret in ["171,171", "171171", "ab,ab", "abab", "\\xab", "\u{fffd}\u{fffd}"] {
        assert!(!dense.contains(secret), "{text} holds {secret}");
    }
}

#[nl_testkit::test(needs(link = "macsec", genl = "macsec", host_root))]
async fn refusals_do_not_show_the_key(lab: Lab) -> Result {
    let (_node, macsec) = with_device(&lab, CipherSuite::GcmAes128).await?;
    let (key, long, peer) = (SecretKey::new(&[KEY; 16])?, SecretKey::new(&[KEY; 32])?, sci(2, 1));
    let tx = |an| macsec.tx_sa("macsec0", an).key(&key).key_id(id(1)).next_pn(1);
    let rx = |an| macsec.rx_sa("macsec0", peer, an).key(&key).key_id(id(1));
    tx(0).active(true).add().await?;
    let mut errors = vec![
        tx(0).add().await.err(),
        tx(7).add().await.err(),
        tx(0).update().await.err(),
        rx(0).add().await.err(),
        tx(1).key(&long).add().await.err(),
        macsec.tx_sa("lo", 0).key(&key).key_id(id(1)).next_pn(1).add().await.err(),
        macsec.tx_sa("no-such-dev", 0).key(&key).add().await.err(),
        macsec.rotate("macsec0").key(&long).key_id(id(2)).run().await.err(),
        macsec.rotate("macsec0").key(&key).run().await.err(),
        macsec.rotate("macsec0").key(&key).key_id(id(2)).an(0).run().await.err(),
        macsec.recreate("macsec0", CipherSuite::GcmAes256).key(&key).key_id(id(2)).run().await.err(),
    ];
    macsec.rx_sc("macsec0", peer).add().await?;
    rx(0).add().await?;
    errors.push(rx(0).add().await.err());
    for (number, error) in errors.into_iter().enumerate() {
        let error = error.ok_or(format!("number {number} was not refused"))?;
        for text in
            [error.to_string(), format!("{error:?}"), format!("{error:#?}"), format!("{:?}", error.kind())]
        {
            assert_silent(&text);
        }
    }
    assert_silent(&format!("{:?}", macsec.secys().list().await?));
    Ok(())
}
