//! Running programs inside a node, and reading what iproute2 says.

use std::{
    ffi::OsString,
    fmt,
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use serde_json::Value;
use tokio::time::timeout;

use crate::{Error, Need, Node, Result, sys, wait::patient};

/// How a program ended and what it printed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Output {
    /// The command, for messages.
    pub command: String,
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed on standard output.
    pub stdout: String,
    /// What it printed on standard error.
    pub stderr: String,
}

impl Output {
    /// The standard output of a command that must succeed.
    ///
    /// # Panics
    ///
    /// When the command failed, with what it printed on standard error.
    #[track_caller]
    pub fn ok(self) -> String {
        if self.status.success() {
            return self.stdout;
        }
        fail(&self)
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ended with {}\n{}{}", self.command, self.status, self.stdout, self.stderr)
    }
}

impl Node {
    /// Runs a program inside the node: `node.command(["bridge", "-j", "fdb"]).await.ok()`.
    ///
    /// # Panics
    ///
    /// When the program does not start or has not ended after 30 seconds.
    pub async fn command<I>(&self, words: I) -> Output
    where
        I: IntoIterator,
        I::Item: Into<OsString>,
    {
        let words: Vec<OsString> = words.into_iter().map(Into::into).collect();
        match self.run(move || run(words)).await {
            Ok(output) => output,
            Err(error) => not_run(self, &error),
        }
    }

    /// Runs `ip` with arguments split at white space, and returns what it printed.
    ///
    /// # Panics
    ///
    /// When it fails, with what it printed on standard error.
    pub async fn ip(&self, arguments: &str) -> String {
        self.tool("ip", arguments).await
    }

    /// Runs `bridge` with arguments split at white space, and returns what it printed.
    ///
    /// # Panics
    ///
    /// When it fails, with what it printed on standard error.
    pub async fn bridge(&self, arguments: &str) -> String {
        self.tool("bridge", arguments).await
    }

    /// Runs `tc` with arguments split at white space, and returns what it printed.
    ///
    /// # Panics
    ///
    /// When it fails, with what it printed on standard error.
    pub async fn tc(&self, arguments: &str) -> String {
        self.tool("tc", arguments).await
    }

    /// Runs a command line split at white space and reads its output as JSON: `node.json("bridge -j -d fdb show")`.
    ///
    /// A command that prints nothing, as iproute2 does for an empty list, gives an empty array.
    ///
    /// # Panics
    ///
    /// When the command fails or prints something else.
    pub async fn json(&self, line: &str) -> Value {
        let text = self.command(line.split_whitespace()).await.ok();
        if text.trim().is_empty() {
            return Value::Array(Vec::new());
        }
        serde_json::from_str(&text).unwrap_or_else(|error| not_json(line, &text, &error))
    }

    async fn tool(&self, program: &str, arguments: &str) -> String {
        self.command(std::iter::once(program).chain(arguments.split_whitespace())).await.ok()
    }
}

/// Runs a program from the calling thread's namespace; call it inside a runtime that was born there.
pub(crate) async fn run(words: Vec<OsString>) -> Result<Output> {
    let line = words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    let mut words = words.into_iter();
    let program = words.next().ok_or("a command needs a program")?;
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A hook before the program begins takes a copy of this process, which costs an emulated processor more than the program. What is
    // left in a virtual machine ends with it.
    if Need::Vm.probe().is_err() {
        sys::kill_with_parent(&mut command);
    }
    let shown = line.clone();
    // The blocking thread spawns and waits: it is in the node's namespace and outlives the child.
    let work = tokio::task::spawn_blocking(move || command.output());
    let deadline = patient(COMMAND_DEADLINE);
    let output = match timeout(deadline, work).await {
        Ok(joined) => joined?.map_err(|error| Error::from(format!("run `{shown}`: {error}")))?,
        Err(_) => return Err(format!("`{shown}` has not ended after {deadline:?}").into()),
    };
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Output {
        command: line,
        status: output.status,
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    })
}

#[expect(clippy::panic, reason = "assertion helper")]
#[track_caller]
fn fail(output: &Output) -> ! {
    panic!("{output}")
}

#[expect(clippy::panic, reason = "assertion helper")]
fn not_run(node: &Node, error: &Error) -> ! {
    panic!("in node \"{}\": {error}", node.name())
}

#[expect(clippy::panic, reason = "assertion helper")]
fn not_json(line: &str, text: &str, error: &serde_json::Error) -> ! {
    panic!("`{line}` did not print JSON: {error}\n{text}")
}

const COMMAND_DEADLINE: Duration = Duration::from_secs(30);
