use std::fs::read_link;

use nl_core::connection::{Connection, Protocol};
use nl_core::error::Errno;
use nl_core::netns::Netns;
use nl_testkit::{Lab, Node, Result};

use crate::support::{link_names, route};

async fn marked(lab: &Lab, name: &str) -> Result<Node> {
    let node = lab.node(name).await?;
    node.add_link(&format!("mark-{name}"), "bridge").await?;
    Ok(node)
}

async fn names(conn: &Connection) -> nl_core::Result<Vec<String>> {
    let mut names: Vec<_> =
        conn.links().collect_all().await?.into_iter().map(|link| String::from(link.name)).collect();
    names.sort();
    Ok(names)
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn every_way_of_naming_a_namespace_leads_into_it(lab: Lab) -> Result {
    let node = marked(&lab, "a").await?;
    let mut child = node.open(|| std::process::Command::new("sleep").arg("60").spawn()).await?;
    let ways = [
        Netns::named("a"),
        Netns::path(node.netns_path()),
        Netns::pid(child.id()),
        Netns::fd(node.netns_fd()),
        node.open(Netns::current).await,
    ];
    let here = Netns::current()?;
    for (i, way) in ways.into_iter().enumerate() {
        let netns = way?;
        assert_eq!(netns, Netns::fd(node.netns_fd())?, "way {i}");
        assert_ne!(netns, here, "way {i}");
        let conn = Connection::builder(Protocol::Route).netns(&netns).open()?;
        assert_eq!(conn.netns()?, netns);
        assert_eq!(conn.link("mark-a").await?.name, "mark-a", "way {i}");
        assert_eq!(names(&conn).await?, link_names(&node).await, "way {i}");
    }
    child.kill()?;
    child.wait()?;
    Ok(())
}

#[nl_testkit::test]
async fn a_namespace_that_is_not_there_is_named_in_the_error(lab: Lab) -> Result {
    let texts = [
        (Netns::named("no-such"), "open network namespace \"no-such\": No such file or directory (ENOENT)"),
        (Netns::path("/no/such"), "open network namespace /no/such: No such file or directory (ENOENT)"),
        (
            Netns::pid(u32::MAX),
            "open network namespace of process 4294967295: No such file or directory (ENOENT)",
        ),
    ];
    for (outcome, text) in texts {
        let error = outcome.unwrap_err();
        assert_eq!(error.to_string(), text);
        // Only the kernel's verdict on a request says that an object does not exist.
        assert!(!error.is_not_found() && error.errno() == Some(Errno::ENOENT), "{error:?}");
    }
    drop(lab);
    Ok(())
}

#[nl_testkit::test]
fn a_name_that_is_a_path_is_refused(_lab: Lab) -> Result {
    for name in ["", ".", "..", "../etc", "a/b"] {
        let error = Netns::named(name).unwrap_err();
        assert!(error.is_usage(), "{name:?}: {error}");
    }
    Ok(())
}

#[nl_testkit::test]
async fn a_descriptor_that_is_no_namespace_is_an_error(lab: Lab) -> Result {
    let file = std::fs::File::open("/dev/null")?;
    let fd = std::os::fd::AsRawFd::as_raw_fd(&file);
    let error = Netns::fd(&file).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("take network namespace from descriptor {fd}: not a network namespace")
    );
    let error = Netns::path("/proc/self/ns/mnt").unwrap_err();
    assert_eq!(error.to_string(), "open network namespace /proc/self/ns/mnt: not a network namespace");
    drop(lab);
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge"))]
async fn the_callers_thread_never_moves(lab: Lab) -> Result {
    let node = marked(&lab, "a").await?;
    let here = || read_link("/proc/thread-self/ns/net");
    let before = here()?;
    let netns = Netns::fd(node.netns_fd())?;
    assert!(!netns.is_current()?);
    assert_ne!(netns.run(here)??, before, "inside");
    let conn = Connection::builder(Protocol::Route).netns(&netns).open()?;
    names(&conn).await?;
    conn.batch([crate::support::delete_link("mark-a")]).summarize(1).await?.into_result()?;
    assert_eq!(here()?, before);
    assert!(Netns::current()?.is_current()?);
    Ok(())
}

#[nl_testkit::test(needs(link = "bridge", tool = "ip"))]
async fn a_connection_keeps_its_namespace_wherever_it_is_used(lab: Lab) -> Result {
    let (a, b) = (marked(&lab, "a").await?, marked(&lab, "b").await?);
    let conn = route(&a).await;
    let seen = b
        .run(move || async move {
            let listed = names(&conn).await.unwrap();
            let made = conn.batch([crate::support::new_link("made", "bridge")]).summarize(1).await.unwrap();
            made.into_result().unwrap();
            (
                listed,
                String::from(conn.link("mark-a").await.unwrap().name),
                conn.link("mark-b").await.is_err(),
            )
        })
        .await;
    assert_eq!(seen, (vec!["lo".to_owned(), "mark-a".to_owned()], "mark-a".to_owned(), true));
    assert_eq!(link_names(&a).await, ["lo", "made", "mark-a"]);
    assert_eq!(link_names(&b).await, ["lo", "mark-b"]);
    Ok(())
}

#[nl_testkit::test]
async fn a_panic_inside_a_namespace_reaches_the_caller(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let netns = Netns::fd(node.netns_fd())?;
    let message = nl_testkit::panic_of(async { netns.run(|| panic!("inside")) }).await;
    assert_eq!(message.as_deref(), Some("inside"));
    Ok(())
}
