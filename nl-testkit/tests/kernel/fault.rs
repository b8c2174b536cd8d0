//! Programs that know nothing of the kit, with a kernel that a test plays.

use std::{
    os::fd::OwnedFd,
    process::{Command, Stdio},
};

use nl_testkit::{
    Lab, Result,
    fault::{Answer, Conversation, Fault, Peer},
};

/// A program in another language has its end of the pair as standard input.
#[nl_testkit::test(needs(tool = "perl"))]
async fn a_program_in_another_language_has_a_peer(_lab: Lab) -> Result {
    let (program, peer) = Peer::pair()?;
    let child = perl(program)?;
    let asked = peer.asked().await?.ok_or("nothing was asked")?;
    assert_eq!(asked.sequences(), [7]);
    peer.answer(&Answer::error(EPERM, asked.only()?)).await?;
    let output = child.wait_with_output()?;
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8(output.stdout)?, "-1");
    Ok(())
}

/// It is asked for an acknowledgement, and prints what it takes for one. A lost or spoilt one is none.
#[nl_testkit::test(needs(tool = "perl"))]
async fn a_program_in_another_language_meets_every_fault_of_an_answer(_lab: Lab) -> Result {
    let mut tried = 0;
    for number in 0.. {
        let (program, peer) = Peer::pair()?;
        let child = perl(program)?;
        let asked = peer.asked().await?.ok_or("nothing was asked")?;
        let answers = Conversation::of([Answer::ack(asked.only()?)]);
        // Cuts at every length are many programs to start, of which one is enough.
        let cut = |fault: &Fault| matches!(fault, Fault::Cut { length, .. } if *length != 19);
        let Some((fault, answers)) = answers.faults().filter(|(fault, _)| !cut(fault)).nth(number) else {
            peer.play(&answers).await?;
            child.wait_with_output()?;
            break;
        };
        drop(peer.play(&answers).await?);
        let output = child.wait_with_output()?;
        let said = String::from_utf8(output.stdout)?;
        let expected = match fault {
            Fault::Duplicated { .. } | Fault::Ended { delivery: 1 } | Fault::Interrupted { .. } => "0",
            // This one believes any number and any length, as long as the error is where it looks for it.
            Fault::MessageLength { .. } | Fault::WrongSequence { .. } => "0",
            _ => "",
        };
        assert_eq!((said.as_str(), output.status.success()), (expected, !expected.is_empty()), "{fault:?}");
        tried += 1;
    }
    assert!(tried >= 12, "{tried} faults");
    Ok(())
}

/// Sends a request without a body, waits for an answer, and prints the error in it.
fn perl(socket: OwnedFd) -> Result<std::process::Child> {
    let script = r#"
        # STDIN itself only reads.
        open(my $socket, "+<&=", 0) or die $!;
        send($socket, pack("LSSLL", 16, 18, 5, 7, 0), 0) or die $!;
        my $ready = "";
        vec($ready, fileno($socket), 1) = 1;
        select($ready, undef, undef, 10);
        defined(recv($socket, my $answer, 4096, 0)) or die $!;
        length($answer) >= 20 or die "no answer";
        print unpack("l", substr($answer, 16));
    "#;
    let mut command = Command::new("perl");
    command.args(["-e", script]).stdin(Stdio::from(socket)).stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(command.spawn()?)
}

/// The links that rtnetlink lists are those of the peer.
#[cfg(feature = "fault-socket")]
#[nl_testkit::test]
async fn rtnetlink_lists_what_its_peer_answers(_lab: Lab) -> Result {
    use futures_util::TryStreamExt;
    use nl_testkit::fault::PeerSocket;

    let (program, kernel) = Peer::pair()?;
    let (connection, handle, _) = rtnetlink::from_socket(PeerSocket::over(program)?);
    let driver = tokio::spawn(connection);
    let list = async move { handle.link().get().execute().try_collect::<Vec<_>>().await };
    let answers = |request: &[u8]| {
        // struct ifinfomsg: family and type, index, flags, change mask
        let link = |index: u32| [[0_u8; 4].as_slice(), &index.to_ne_bytes(), &[0; 8]].concat();
        let links = [1, 2].map(|index| Answer::new(RTM_NEWLINK, &link(index)).multi().answers(request));
        Conversation::of(links.into_iter().chain([Answer::done(0).answers(request)]))
    };
    let (links, served) = tokio::join!(list, kernel.serve(answers));
    served?;
    driver.await?;
    let indexes: Vec<u32> = links?.iter().map(|link| link.header.index).collect();
    assert_eq!(indexes, [1, 2]);
    Ok(())
}

const EPERM: i32 = 1;
#[cfg(feature = "fault-socket")]
const RTM_NEWLINK: u16 = 16;
