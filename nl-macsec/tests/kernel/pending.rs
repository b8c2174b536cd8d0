//! Verbs, lists and rotations on a thread without a runtime: the same code, the same requests.

use std::time::Duration;

use nl_macsec::CipherSuite;
use nl_testkit::{Lab, Result};

use crate::support::{id, key, sci, with_device};

#[nl_testkit::test(needs(link = "veth", link = "macsec", genl = "macsec", host_root))]
async fn key_is_rotated_without_a_runtime(lab: Lab) -> Result {
    let suite = CipherSuite::GcmAes128;
    let (_node, macsec) = with_device(&lab, suite).await?;
    let waiting = macsec.clone();
    let thread = std::thread::spawn(move || -> nl_core::Result<usize> {
        assert!(tokio::runtime::Handle::try_current().is_err());
        waiting.rx_sc("macsec0", sci(2, 1)).add().wait()?;
        for number in 31..34 {
            let rotate = waiting.rotate("macsec0").key(&key(suite, number)).key_id(id(number));
            rotate.lead(Duration::from_millis(5)).grace(Duration::from_millis(5)).run().wait()?;
        }
        Ok(waiting.secys().list().wait()?.len())
    });
    let listed = tokio::task::spawn_blocking(move || thread.join()).await?;
    assert_eq!(listed.unwrap()?, 1);
    let secy = macsec.secy("macsec0").get().await?;
    assert_eq!(secy.encoding().map(|sa| sa.key_id), Some(id(33)));
    assert_eq!((secy.tx_sas.len(), secy.rx_scs[0].sas.len()), (1, 1));
    Ok(())
}
