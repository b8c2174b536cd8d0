//! The example `mptcp_path_managerd`: what it does with connections and endpoints, its status, and a new configuration.

#[path = "../../examples/mptcp_path_managerd/config.rs"]
mod config;
#[path = "../../examples/mptcp_path_managerd/daemon.rs"]
mod daemon;

use std::path::Path;

use nl_testkit::{Lab, Result, eventually, within};
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use crate::path_manager::{Connections, Manager, by_ss};
use crate::support::{Net, SOON, open};

async fn status(socket: &Path) -> Option<Value> {
    let mut text = String::new();
    UnixStream::connect(socket).await.ok()?.read_to_string(&mut text).await.ok()?;
    serde_json::from_str(&text).ok()
}

#[nl_testkit::test(
    needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled", tool = "ss", tool = "ip", sock_diag = "mptcp"),
    timeout = 60
)]
async fn daemon_manages_paths_and_endpoints_until_it_is_ended(lab: Lab) -> Result {
    let net = Net::userspace(&lab).await?;
    let folder = std::env::temp_dir().join(format!("nl-mptcp-managerd-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let (file, socket) = (folder.join("config.toml"), folder.join("status"));
    let userspace = "[userspace]\npolicy = \"fullmesh\"\n";
    let kernel = |flags: &str| {
        format!(
            "[kernel]\nnetworks = [\"10.0.0.0/8\"]\nremove-at-exit = true\n[[kernel.interface]]\nname = \"eth2\"\n\
             flags = [{flags}]\n"
        )
    };
    let write = |socket: &Path, sections: &[&str]| {
        std::fs::write(&file, format!("socket = {socket:?}\n{}", sections.concat()))
    };
    write(&socket, &[userspace, &kernel("\"subflow\"")])?;
    let (mptcp, path, (tell, commands)) = (open(&net.client).await?, file.clone(), mpsc::channel(1));
    let task = net.client.run(move || async move {
        Ok::<_, std::io::Error>(tokio::spawn(async move { daemon::run(mptcp, &path, commands).await }))
    });
    let task = task.await?;
    let server = Manager::start(&net.server, None, ()).await?;
    let shown = async |wanted: &str| {
        let text = net.client.ip("mptcp endpoint show").await;
        (text.split_whitespace().collect::<Vec<_>>().join(" ") == wanted).then_some(())
    };
    eventually(SOON, async || shown("10.0.2.1 id 100 subflow dev eth2").await, "the endpoint").await;
    let mut connections = Connections::new(&net).await?;
    connections.connect(&net).await?;
    let two = async || by_ss(&net.client).await.values().any(|ends| ends.len() == 2).then_some(());
    eventually(SOON, async || two().await, "the second subflow").await;
    let reported = async || {
        let status = status(&socket).await?;
        let subflows = status["connections"][0]["subflows"].as_array()?;
        (subflows.len() == 2 && subflows.iter().all(|s| s["established"] == true)).then_some(status)
    };
    let status = eventually(SOON, reported, "the status").await;
    assert_eq!((&status["failed"], &status["errors"]), (&0.into(), &Value::Array(Vec::new())), "{status:#}");

    let both = kernel("\"subflow\", \"backup\"");
    write(&socket, &[userspace, &both])?;
    tell.send(daemon::Command::Reload).await?;
    eventually(SOON, async || shown("10.0.2.1 id 100 subflow backup dev eth2").await, "the new flag").await;
    // What cannot be read changes nothing, and neither does what cannot be done.
    let complained = async |at: &Path, count: usize| {
        let errors = self::status(at).await?["errors"].as_array()?.len();
        (errors == count).then_some(())
    };
    std::fs::write(&file, "nonsense")?;
    tell.send(daemon::Command::Reload).await?;
    eventually(SOON, async || complained(&socket, 1).await, "an error in the status").await;
    write(&folder.join("missing").join("status"), &[userspace])?;
    tell.send(daemon::Command::Reload).await?;
    eventually(SOON, async || complained(&socket, 2).await, "another error in the status").await;
    shown("10.0.2.1 id 100 subflow backup dev eth2").await.ok_or("the endpoint went with a bad file")?;

    // A section goes, and the socket moves.
    let moved = folder.join("moved");
    write(&moved, &[userspace])?;
    tell.send(daemon::Command::Reload).await?;
    eventually(SOON, async || complained(&moved, 2).await, "the status at its new place").await;
    assert!(!socket.exists());
    shown("").await.ok_or("the endpoints of the section are left")?;
    // It comes again, and the other goes. The connections stay as they are.
    write(&moved, &[&both])?;
    tell.send(daemon::Command::Reload).await?;
    eventually(SOON, async || shown("10.0.2.1 id 100 subflow backup dev eth2").await, "the endpoint").await;
    let unmanaged = async || self::status(&moved).await?["connections"].is_null().then_some(());
    eventually(SOON, unmanaged, "no connection in the status").await;
    eventually(SOON, async || two().await, "the second subflow to be there").await;
    write(&moved, &[userspace, &both])?;
    tell.send(daemon::Command::Reload).await?;
    let again = async || (self::status(&moved).await?["connections"].as_array()?.len() == 1).then_some(());
    eventually(SOON, again, "the connection in the status").await;
    // A setting changes, and its status with the next reading of the file.
    let idle = async |wanted: Option<&str>| {
        let status = self::status(&moved).await?;
        let why = status["idle"].as_str();
        (why.is_some() == wanted.is_some() && why.unwrap_or_default().contains(wanted.unwrap_or_default()))
            .then_some(())
    };
    for (pm_type, why) in [("0", Some("the kernel's path manager")), ("1", None)] {
        net.client.sysctl("net.mptcp.pm_type", pm_type).await?;
        tell.send(daemon::Command::Reload).await?;
        eventually(SOON, async || idle(why).await, "what the status says of the settings").await;
    }
    tell.send(daemon::Command::End).await?;
    within(SOON, task, "the daemon to end").await?.map_err(|error| error.to_string())?;
    shown("").await.ok_or("its endpoints are left")?;
    assert!(!moved.exists());
    drop(connections);
    server.stop().await;
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
