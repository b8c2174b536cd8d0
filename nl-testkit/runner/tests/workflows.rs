//! The workflows for GitHub are what they claim to be: what they run is in the repository, what they use is pinned, and the
//! one required job cannot succeed unless all others have.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use yaml_serde::Value;

/// What a workflow may refer to.
#[derive(Debug)]
struct Repository {
    root: &'static Path,
    /// Subcommands of cargo: its own, the aliases of `.cargo/config.toml`, the tools that `.ci/setup` installs.
    subcommands: BTreeSet<String>,
}

impl Repository {
    fn read() -> io::Result<Self> {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        let config = fs::read_to_string(root.join(".cargo/config.toml"))?;
        let aliases = config.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name.trim());
        let tools = fs::read_to_string(root.join(".ci/setup"))?;
        let tools =
            tools.lines().filter_map(|line| line.split_once(") version=")).map(|(name, _)| name.trim());
        let subcommands = CARGO.iter().copied().chain(aliases).chain(tools).map(str::to_owned).collect();
        Ok(Self { root, subcommands })
    }

    /// What is wrong with a workflow.
    fn check(&self, text: &str) -> Vec<String> {
        let workflow: Value = match yaml_serde::from_str(text) {
            Ok(workflow) => workflow,
            Err(error) => return vec![format!("it is no YAML: {error}")],
        };
        let mut wrong = pins(&workflow, text);
        if workflow.get("permissions").and_then(Value::as_mapping).is_none_or(|granted| !granted.is_empty()) {
            wrong.push("the workflow does not begin without permissions".to_owned());
        }
        let mut careless = Vec::new();
        values(&workflow, "continue-on-error", &mut careless);
        if !careless.is_empty() {
            wrong.push("something goes on after an error".to_owned());
        }
        let jobs = entries(&workflow, "jobs");
        if jobs.is_empty() {
            wrong.push("there are no jobs".to_owned());
        }
        for (name, job) in &jobs {
            let complaints = self.check_job(job);
            wrong.extend(complaints.into_iter().map(|complaint| format!("job {name}: {complaint}")));
        }
        // What other workflows call decides nothing.
        if workflow.get("on").and_then(|on| on.get("workflow_call")).is_none() {
            wrong.extend(required(&jobs));
        }
        wrong
    }

    fn check_job(&self, job: &Value) -> Vec<String> {
        let mut wrong = Vec::new();
        let permissions = entries(job, "permissions");
        if job.get("permissions").is_none() {
            wrong.push("it does not say what it may do".to_owned());
        }
        if permissions.iter().any(|(name, level)| *name != "contents" || level.as_str() != Some("read")) {
            wrong.push("it may do more than read the repository".to_owned());
        }
        // A job that is another workflow of the repository, which is checked for itself.
        if let Some(called) = job.get("uses").and_then(Value::as_str) {
            if !called.strip_prefix("./").is_some_and(|path| self.root.join(path).is_file()) {
                wrong.push(format!("there is no workflow {called} in the repository"));
            }
            return wrong;
        }
        if job.get("timeout-minutes").and_then(Value::as_u64).is_none() {
            wrong.push("it has no time limit".to_owned());
        }
        let steps = job.get("steps").and_then(Value::as_sequence).map(Vec::as_slice).unwrap_or_default();
        if steps.is_empty() {
            wrong.push("it does nothing".to_owned());
        }
        for step in steps {
            match (step.get("run").and_then(Value::as_str), step.get("uses").and_then(Value::as_str)) {
                (Some(run), None) => wrong.extend(run.lines().flat_map(|line| self.check_command(line))),
                (None, Some(_)) => {}
                _ => wrong.push("a step neither runs nor uses something".to_owned()),
            }
        }
        wrong
    }

    /// One line of a step: one command, without a shell's ways of going on after it.
    fn check_command(&self, line: &str) -> Vec<String> {
        let mut words = line.split_whitespace();
        let Some(program) = words.next() else { return Vec::new() };
        let mut wrong = Vec::new();
        if line.contains(['|', ';', '&', '`']) || line.contains("$(") {
            wrong.push(format!("`{line}` is more than a command; make it a script"));
        }
        if program == "cargo" {
            let subcommand = words.clone().find(|word| !word.starts_with(['+', '-'])).unwrap_or_default();
            if !self.subcommands.contains(subcommand) {
                wrong.push(format!("`{line}`: cargo has no subcommand {subcommand:?}"));
            }
        } else if INSTALLED.contains(&program) {
            // Its words are packages and settings.
            return wrong;
        } else if program == "$TESTKIT" {
            let subcommand = words.next().unwrap_or_default();
            if !["host", "leaks", "vm", "self-test"].contains(&subcommand) {
                wrong.push(format!("`{line}`: testkit has no command {subcommand:?}"));
            }
        } else if program != "$SETUP" && (!program.contains('/') || !self.root.join(program).is_file()) {
            wrong.push(format!("`{line}`: there is no program {program} in the repository"));
        }
        // What a build makes is not there yet.
        let paths = words.filter(|word| {
            word.contains('/') && !word.starts_with(['-', '$', '"', '\'']) && !word.starts_with("target/")
        });
        for path in paths {
            if !self.root.join(path).exists() {
                wrong.push(format!("`{line}`: there is no {path}"));
            }
        }
        wrong
    }

    /// Every script.
    fn scripts(&self) -> io::Result<Vec<PathBuf>> {
        let folder = fs::read_dir(self.root.join(".ci"))?;
        let mut paths: Vec<PathBuf> = folder.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
        paths.push(self.root.join("dev"));
        paths.sort();
        Ok(paths)
    }

    /// The scripts that a script names.
    fn check_script(&self, text: &str) -> Vec<String> {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let words = lines.flat_map(|line| line.split([' ', '"', '\'', '(', ')', ';', '`']));
        let named = words.filter(|word| word.starts_with(".ci/") && !word.contains(['$', '*']));
        let gone = named.filter(|word| !self.root.join(word).is_file());
        gone.map(|word| format!("there is no {word}")).collect()
    }
}

/// Whether a script calls something that installs.
fn installs(text: &str) -> bool {
    let code = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    code.filter(|line| !line.contains("echo") && !line.contains("how=")).any(|line| {
        [
            "apt install",
            "apt-get install",
            "cargo install",
            "npm install",
            "component add",
            "target add",
            "toolchain install",
        ]
        .iter()
        .any(|words| line.contains(words))
    })
}

/// The actions used without naming a commit, and beside it the version that commit has.
fn pins(workflow: &Value, text: &str) -> Vec<String> {
    let is_pinned = |action: &str| {
        let commit = action.split_once('@').map_or("", |(_, commit)| commit);
        let is_commit =
            commit.len() == 40 && commit.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let is_version = |rest: &str| {
            rest.strip_prefix(" # v")
                .is_some_and(|version| version.starts_with(|first: char| first.is_ascii_digit()))
        };
        // The comment is no part of the value, so it is looked for in the text.
        is_commit && text.split(action).skip(1).all(is_version)
    };
    let mut used = Vec::new();
    values(workflow, "uses", &mut used);
    let is_own = |action: &str| action.starts_with("./");
    let loose =
        used.into_iter().filter(|action| !action.as_str().is_some_and(|it| is_own(it) || is_pinned(it)));
    loose.map(|action| format!("not pinned to a commit with its version: {action:?}")).collect()
}

/// What is wrong with the job that decides.
fn required(jobs: &[(&str, &Value)]) -> Vec<String> {
    let Some((_, job)) = jobs.iter().find(|(name, _)| *name == "required") else {
        return vec!["there is no job `required`".to_owned()];
    };
    let mut wrong = Vec::new();
    if job.get("if").and_then(Value::as_str) != Some("always()") {
        wrong.push("the required job is skipped when another fails, and would pass".to_owned());
    }
    let needs = job.get("needs").and_then(Value::as_sequence).map(Vec::as_slice).unwrap_or_default();
    let needs: BTreeSet<&str> = needs.iter().filter_map(Value::as_str).collect();
    for (name, _) in jobs.iter().filter(|(name, _)| *name != "required") {
        if !needs.contains(name) {
            wrong.push(format!("the required job does not need {name}"));
        }
    }
    let judges = |step: &Value| {
        let needs = step.get("env").and_then(|env| env.get("NEEDS")).and_then(Value::as_str);
        step.get("run").and_then(Value::as_str) == Some(".ci/required")
            && needs == Some("${{ toJSON(needs) }}")
    };
    let steps = job.get("steps").and_then(Value::as_sequence).map(Vec::as_slice).unwrap_or_default();
    // `if:` on the step could skip it.
    if !steps.iter().any(|step| judges(step) && step.get("if").is_none()) {
        wrong.push("the required job does not look at what it needs".to_owned());
    }
    wrong
}

fn entries<'a>(value: &'a Value, key: &str) -> Vec<(&'a str, &'a Value)> {
    let mapping = value.get(key).and_then(Value::as_mapping);
    mapping.into_iter().flatten().filter_map(|(name, value)| Some((name.as_str()?, value))).collect()
}

/// All that stands under a key, however deep.
fn values<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Mapping(mapping) => {
            for (name, value) in mapping {
                if name.as_str() == Some(key) {
                    found.push(value);
                }
                values(value, key, found);
            }
        }
        Value::Sequence(sequence) => sequence.iter().for_each(|value| values(value, key, found)),
        _ => {}
    }
}

#[test]
fn every_workflow_is_sound() {
    let repository = Repository::read().unwrap();
    let folder = repository.root.join(".github/workflows");
    let mut checked = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let wrong = repository.check(&fs::read_to_string(&path).unwrap());
        assert!(wrong.is_empty(), "{}:\n{}", path.display(), wrong.join("\n"));
        checked += 1;
    }
    assert!(checked > 0, "there are no workflows in {}", folder.display());
}

#[test]
fn every_script_calls_scripts_that_exist() {
    let repository = Repository::read().unwrap();
    for path in repository.scripts().unwrap() {
        let wrong = repository.check_script(&fs::read_to_string(&path).unwrap());
        assert!(wrong.is_empty(), "{}:\n{}", path.display(), wrong.join("\n"));
    }
}

#[test]
fn one_script_installs_and_no_other() {
    let repository = Repository::read().unwrap();
    let scripts = repository.scripts().unwrap();
    let installs = scripts.into_iter().filter(|path| installs(&fs::read_to_string(path).unwrap()));
    assert_eq!(installs.collect::<Vec<_>>(), [repository.root.join(".ci/setup")]);
}

#[test]
fn what_must_pass_includes_the_test_command_of_the_readme() {
    let root = Repository::read().unwrap().root;
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let commands = readme.lines().filter_map(|line| line.strip_prefix("./dev "));
    let commands: Vec<_> = commands.filter_map(|rest| rest.split_whitespace().next()).collect();
    assert_eq!(commands, ["tour", "test"]);
    let run = fs::read_to_string(root.join(".ci/run")).unwrap();
    assert!(run.lines().any(|line| line == "./dev test"), "{run}");
}

/// A workflow that other repositories call has no script of this one to install with.
#[test]
fn called_workflow_installs_what_the_list_of_tools_has() {
    let root = Repository::read().unwrap().root;
    let tools = fs::read_to_string(root.join("nl-testkit/runner/tools.txt")).unwrap();
    let tools =
        tools.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_whitespace().last());
    let wanted: BTreeSet<&str> = tools.chain(["rustup"]).collect();
    let workflow = fs::read_to_string(root.join(".github/workflows/integration-tests.yml")).unwrap();
    let lines = workflow.lines().filter_map(|line| line.trim().strip_prefix("run: apt-get install "));
    let lines: Vec<BTreeSet<&str>> = lines
        .map(|line| line.split_whitespace().filter(|word| !word.starts_with('-')).collect())
        .filter(|packages: &BTreeSet<&str>| !packages.contains("$PACKAGES"))
        .collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    for packages in lines {
        assert_eq!(packages, wanted);
    }
}

#[test]
fn a_sound_workflow_has_no_complaints() {
    assert_eq!(Repository::read().unwrap().check(SOUND), Vec::<String>::new());
}

/// Every check can fail: one thing in a sound workflow replaced, and what must be said about it.
#[test]
fn each_planted_fault_is_found() {
    let repository = Repository::read().unwrap();
    for (before, after, complaint) in FAULTS {
        assert!(SOUND.contains(before), "the sound workflow has no {before:?}");
        let wrong = repository.check(&SOUND.replacen(before, after, 1)).join("\n");
        assert!(wrong.contains(complaint), "{before:?} replaced by {after:?}: {wrong:?} lacks {complaint:?}");
    }
}

#[test]
fn a_script_that_calls_a_missing_one_is_found() {
    let wrong = Repository::read().unwrap().check_script("x=$(.ci/nothing)\n# .ci/comment\n.ci/setup\n");
    assert_eq!(wrong, ["there is no .ci/nothing"]);
}

const FAULTS: &[(&str, &str, &str)] = &[
    ("permissions: {}", "permissions: { contents: read }", "does not begin without permissions"),
    ("permissions: {}", "env: {}", "does not begin without permissions"),
    ("permissions: {}", "permissions: write-all", "does not begin without permissions"),
    ("    permissions: { contents: read }\n", "", "job build: it does not say what it may do"),
    ("contents: read", "contents: write", "job build: it may do more than read"),
    ("contents: read", "contents: read, packages: read", "job build: it may do more than read"),
    ("    timeout-minutes: 5\n", "", "job build: it has no time limit"),
    (
        "    timeout-minutes: 5\n",
        "    timeout-minutes: 5\n    continue-on-error: true\n",
        "goes on after an error",
    ),
    ("- run: .ci/setup", "- { run: .ci/setup, continue-on-error: false }", "goes on after an error"),
    ("@de0fac2e4500dabe0009e67214ff5f5447ce83dd # v6.0.2", "@v6", "not pinned to a commit with its version"),
    ("@de0fac2e4500dabe0009e67214ff5f5447ce83dd # v6.0.2", "@de0fac2 # v6.0.2", "not pinned to a commit"),
    (" # v6.0.2", "", "not pinned to a commit with its version"),
    (
        "uses: actions/checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd # v6.0.2",
        "{ uses: actions/checkout@v6 }",
        "not pinned",
    ),
    ("cargo test --lib", "cargo tset --lib", "cargo has no subcommand \"tset\""),
    (".ci/setup", ".ci/nothing", "no program .ci/nothing"),
    (".ci/setup", "make", "no program make"),
    (".ci/setup", ".ci/setup || true", "is more than a command"),
    ("nl-core/Cargo.toml", "nl-nothing/Cargo.toml", "there is no nl-nothing/Cargo.toml"),
    ("- run: .ci/setup", "- name: nothing", "a step neither runs nor uses something"),
    ("    needs: [build, other]\n", "    needs: [build]\n", "the required job does not need other"),
    ("    if: always()\n", "", "is skipped when another fails"),
    ("    if: always()\n", "    if: failure()\n", "is skipped when another fails"),
    ("${{ toJSON(needs) }}", "{}", "does not look at what it needs"),
    ("- run: .ci/required", "- if: failure()\n        run: .ci/required", "does not look at what it needs"),
    ("  required:", "  optional:", "there is no job `required`"),
    ("jobs:", "jbos:", "there are no jobs"),
    (
        "  required:",
        "  called:\n    permissions: {}\n    uses: ./.github/workflows/nothing.yml\n  required:",
        "job called: there is no workflow ./.github/workflows/nothing.yml",
    ),
    (
        "  required:",
        "  called:\n    permissions: {}\n    uses: ./.github/workflows/integration-tests.yml\n  required:",
        "the required job does not need called",
    ),
    ("cargo testkit probe", "$TESTKIT nothing", "testkit has no command \"nothing\""),
    ("jobs:", "jobs: [", "it is no YAML"),
];

const SOUND: &str = r"
on: push
permissions: {}
jobs:
  build:
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    permissions: { contents: read }
    steps:
      - uses: actions/checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd # v6.0.2
      - run: .ci/setup
  other:
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    permissions: { contents: read }
    steps:
      - run: |
          cargo test --lib --manifest-path nl-core/Cargo.toml
          cargo testkit probe
  required:
    if: always()
    needs: [build, other]
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    permissions: { contents: read }
    steps:
      - run: .ci/required
        env:
          NEEDS: ${{ toJSON(needs) }}
";

/// Subcommands that come with cargo.
const CARGO: &[&str] = &["build", "check", "clippy", "doc", "fmt", "install", "metadata", "test"];
/// Programs of the machines that workflows run on, for workflows that other repositories call.
const INSTALLED: &[&str] = &["apt-get", "rustup", "sudo"];
