//! Tests that must fail, or be skipped; they exist only when `NL_TESTKIT_PLANTED` is set, and `harness.rs` runs them.

use std::{
    fs::{self, File},
    io::Read,
    mem,
    net::UdpSocket,
    process::{Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use nix::sched::{CloneFlags, unshare};
use nl_testkit::{Lab, Need, Result};

#[nl_testkit::test(planted)]
async fn all_is_well(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    // Taken down without being awaited: ends within the patience of the leak check.
    node.open(|| drop(tokio::spawn(tokio::time::sleep(Duration::from_millis(100))))).await;
    Ok(())
}

#[nl_testkit::test(planted)]
async fn leaves_a_netlink_socket(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let open = || netlink_sys::Socket::new(netlink_sys::protocols::NETLINK_GENERIC)?.bind_auto_and_forget();
    node.open(open).await?;
    Ok(())
}

#[nl_testkit::test(planted)]
async fn leaves_a_udp_socket(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    mem::forget(node.open(|| UdpSocket::bind("127.0.0.1:0")).await?);
    Ok(())
}

#[nl_testkit::test(planted)]
async fn leaves_a_task(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    node.open(|| drop(tokio::spawn(std::future::pending::<()>()))).await;
    Ok(())
}

#[nl_testkit::test(planted)]
async fn leaves_a_task_of_the_body(_lab: Lab) {
    drop(tokio::spawn(std::future::pending::<()>()));
}

#[nl_testkit::test(planted)]
async fn leaves_a_child(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    mem::forget(node.open(|| Command::new("sleep").arg("100").spawn()).await?);
    Ok(())
}

#[nl_testkit::test(planted)]
async fn leaves_a_namespace(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    mem::forget(node.netns_fd_owned()?);
    Ok(())
}

#[nl_testkit::test(planted)]
async fn leaves_a_file(_lab: Lab) -> Result {
    mem::forget(File::open("/dev/zero")?);
    Ok(())
}

#[nl_testkit::test(planted, needs(tool = "ip"))]
async fn leaves_a_named_namespace(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    node.ip("netns add forgotten").await;
    Ok(())
}

#[nl_testkit::test(planted)]
async fn leaves_a_namespace_made_with_rtnetlink(_lab: Lab) -> Result {
    Ok(rtnetlink::NetworkNamespace::add("of-rtnetlink").await?)
}

#[nl_testkit::test(planted)]
async fn leaves_a_thread_in_a_namespace_of_its_own(_lab: Lab) -> Result {
    let (sender, receiver) = std::sync::mpsc::channel();
    let thread = thread::Builder::new().name("elsewhere".into());
    thread.spawn(move || {
        let _ = sender.send(unshare(CloneFlags::CLONE_NEWNET));
        thread::sleep(Duration::from_secs(100));
    })?;
    Ok(receiver.recv()??)
}

#[nl_testkit::test(planted, needs(tool = "unshare"))]
async fn leaves_a_child_in_a_namespace_of_its_own(_lab: Lab) -> Result {
    let mut child = Command::new("unshare");
    let mut child =
        child.args(["--net", "sh", "-c", "echo; exec sleep 100"]).stdout(Stdio::piped()).spawn()?;
    let mut line = [0];
    child.stdout.as_mut().ok_or("no pipe")?.read_exact(&mut line)?;
    Ok(())
}

#[nl_testkit::test(planted)]
async fn panics_in_a_thread_of_its_own(_lab: Lab) {
    let _ = thread::spawn(|| panic!("on a thread")).join();
}

#[nl_testkit::test(planted)]
async fn panics(_lab: Lab) {
    panic!("the body fell over");
}

#[nl_testkit::test(planted)]
async fn panics_in_a_task_nobody_awaits(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    node.run(|| async {
        drop(tokio::spawn(async { panic!("unheard") }));
        tokio::task::yield_now().await;
    })
    .await;
    Ok(())
}

#[nl_testkit::test(planted)]
async fn returns_an_error(_lab: Lab) -> Result {
    Err("a plain refusal".into())
}

#[nl_testkit::test(planted)]
async fn skips_itself(lab: Lab) -> Result {
    lab.node("a").await?;
    lab.skip(Need::Tool("nosuchtool".into()), "half of it is done")
}

#[nl_testkit::test(planted)]
fn skips_itself_without_async(lab: Lab) -> Result {
    lab.skip(Need::Kernel("99.1".into()), "no kernel does this")
}

#[nl_testkit::test(planted)]
async fn skips_itself_for_what_is_there(lab: Lab) -> Result {
    lab.skip(Need::Kernel("3.10".into()), "it did not work")
}

#[nl_testkit::test(planted)]
async fn skips_itself_and_goes_on(lab: Lab) -> Result {
    let _: Result = lab.skip(Need::Tool("nosuchtool".into()), "half of it is done");
    Ok(())
}

#[nl_testkit::test(planted)]
async fn skips_itself_and_leaves_a_socket(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    mem::forget(node.open(|| UdpSocket::bind("127.0.0.1:0")).await?);
    lab.skip(Need::Tool("nosuchtool".into()), "half of it is done")
}

#[nl_testkit::test(planted, timeout = 1)]
async fn takes_too_long(_lab: Lab) {
    std::future::pending::<()>().await;
}

#[nl_testkit::test(planted, timeout = 1)]
fn blocks_too_long(_lab: Lab) {
    thread::sleep(Duration::from_secs(60));
}

#[nl_testkit::test(planted, needs(link = "nosuchlink"))]
async fn needs_what_no_kernel_has(_lab: Lab) {
    panic!("ran without its need");
}

#[nl_testkit::test(planted, needs(tool = "nosuchtool", qdisc = "nosuchqdisc"))]
async fn needs_two_things(_lab: Lab) {
    panic!("ran without its needs");
}

#[nl_testkit::test(planted, needs(kernel = "3.10"))]
async fn needs_an_old_kernel(_lab: Lab) {}

/// For `testkit self-test` only: the machine must be a virtual one.
#[nl_testkit::test(planted, needs(vm, host_root))]
async fn fells_the_kernel(_lab: Lab) -> Result {
    fs::write("/proc/sysrq-trigger", "c")?;
    Ok(())
}

/// As above; the kernel does not complain, it merely stops.
#[nl_testkit::test(planted, needs(vm, host_root))]
async fn switches_the_machine_off(_lab: Lab) -> Result {
    fs::write("/proc/sysrq-trigger", "o")?;
    thread::sleep(Duration::from_secs(30));
    Ok(())
}

/// As above; the machine stays, but is heard of no more.
#[nl_testkit::test(planted, needs(vm, host_root))]
async fn freezes_the_machine(_lab: Lab) -> Result {
    // The first process is put on ice: it gives no more signs of life.
    fs::create_dir("/tmp/groups")?;
    Command::new("mount").args(["-t", "cgroup2", "none", "/tmp/groups"]).status()?;
    fs::create_dir("/tmp/groups/ice")?;
    fs::write("/tmp/groups/ice/cgroup.procs", "1")?;
    fs::write("/tmp/groups/ice/cgroup.freeze", "1")?;
    thread::sleep(Duration::from_secs(600));
    Ok(())
}

/// Tells where it runs, then waits to be killed.
#[nl_testkit::test(planted)]
async fn waits_to_be_killed(lab: Lab) -> Result {
    let node = lab.node("a").await?;
    let child = node.command(["sleep", "300"]);
    let place = std::env::var("NL_TESTKIT_PLACE")?;
    let report = async {
        let text = format!("{} {}", node.pid(), node.netns_path());
        fs::write(format!("{place}.new"), text)?;
        fs::rename(format!("{place}.new"), &place)?;
        std::io::Result::Ok(())
    };
    let (_, outcome) = tokio::join!(child, report);
    Ok(outcome?)
}

#[nl_testkit::test(planted)]
async fn crowd_one(_lab: Lab) {
    mingle();
}

#[nl_testkit::test(planted)]
async fn crowd_two(_lab: Lab) {
    mingle();
}

#[nl_testkit::test(planted, serial)]
async fn crowd_serial(_lab: Lab) {
    assert_eq!(mingle(), 0, "a serial test had company");
}

#[nl_testkit::test(planted)]
async fn crowd_three(_lab: Lab) {
    mingle();
}

/// Stays a while and returns how many others were there at the beginning or at the end.
fn mingle() -> usize {
    let before = PRESENT.fetch_add(1, Ordering::SeqCst);
    thread::sleep(Duration::from_millis(100));
    before.max(PRESENT.fetch_sub(1, Ordering::SeqCst) - 1)
}

trait Forget {
    fn bind_auto_and_forget(self) -> std::io::Result<()>;
}

impl Forget for netlink_sys::Socket {
    fn bind_auto_and_forget(mut self) -> std::io::Result<()> {
        self.bind_auto()?;
        mem::forget(self);
        Ok(())
    }
}

static PRESENT: AtomicUsize = AtomicUsize::new(0);
