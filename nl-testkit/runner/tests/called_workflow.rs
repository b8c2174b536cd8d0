//! The workflow that other repositories call: its inputs are used and have valid defaults, it needs nothing of this repository, and who calls
//! it gives it what it takes.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use yaml_serde::Value;

const CALLED: &str = ".github/workflows/integration-tests.yml";

fn read(path: &str) -> String {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn exists(path: &str) -> bool {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(path).is_file()
}

/// The kernels that the runner knows by name.
fn series() -> BTreeSet<String> {
    let source = read("nl-testkit/runner/src/vm/series.rs");
    let names = source.split("kernel: \"").skip(1).filter_map(|rest| rest.split('"').next());
    names.map(str::to_owned).collect()
}

fn parse(text: &str) -> Value {
    yaml_serde::from_str(text).unwrap()
}

fn entries<'a>(value: &'a Value, key: &str) -> Vec<(&'a str, &'a Value)> {
    let mapping = value.get(key).and_then(Value::as_mapping);
    mapping.into_iter().flatten().filter_map(|(name, value)| Some((name.as_str()?, value))).collect()
}

fn inputs(workflow: &Value) -> BTreeMap<&str, &Value> {
    let call = workflow.get("on").and_then(|on| on.get("workflow_call"));
    call.map(|call| entries(call, "inputs")).unwrap_or_default().into_iter().collect()
}

/// The inputs that expressions name, outside comments.
fn used(text: &str) -> BTreeSet<&str> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let names = code.flat_map(|line| line.split("inputs.").skip(1));
    let end = |rest: &str| rest.find(|c: char| !c.is_ascii_alphanumeric() && !"_-".contains(c));
    names.map(|rest| &rest[..end(rest).unwrap_or(rest.len())]).collect()
}

/// Why a value is none of an input's type; `None` if it is.
fn misfit(input: &Value, value: &Value) -> Option<String> {
    let wanted = input.get("type").and_then(Value::as_str).unwrap_or_default();
    let fits = match wanted {
        "boolean" => value.as_bool().is_some(),
        "number" => value.as_f64().is_some(),
        "string" => value.as_str().is_some(),
        _ => return Some(format!("{wanted:?} is no type")),
    };
    (!fits).then(|| format!("{value:?} is no {wanted}"))
}

/// What is wrong with a list of kernels.
fn wrong_kernels(list: &str) -> Vec<String> {
    // A list of JSON is one of YAML, too.
    let Ok(Value::Sequence(kernels)) = yaml_serde::from_str::<Value>(list) else {
        return vec![format!("kernels: {list} is no list")];
    };
    let known = series();
    let unknown =
        kernels.iter().filter(|kernel| !kernel.as_str().is_some_and(|kernel| known.contains(kernel)));
    let mut wrong: Vec<String> =
        unknown.map(|kernel| format!("kernels: the runner has no kernel {kernel:?}")).collect();
    if kernels.is_empty() {
        wrong.push("kernels: the list is empty".to_owned());
    }
    wrong
}

/// What is wrong with the workflow that is called.
fn check_called(text: &str) -> Vec<String> {
    let workflow = parse(text);
    let inputs = inputs(&workflow);
    let mut wrong = Vec::new();
    if inputs.is_empty() {
        wrong.push("it has no inputs".to_owned());
    }
    for (name, input) in &inputs {
        if input.get("description").and_then(Value::as_str).is_none_or(|text| text.len() < 20) {
            wrong.push(format!("input {name}: it is not described"));
        }
        match input.get("default") {
            None => wrong.push(format!("input {name}: it has no default")),
            Some(default) => {
                wrong.extend(misfit(input, default).map(|why| format!("input {name}: {why}")));
                if *name == "kernels" {
                    wrong.extend(wrong_kernels(default.as_str().unwrap_or_default()));
                }
            }
        }
    }
    let (used, declared) = (used(text), inputs.keys().copied().collect::<BTreeSet<&str>>());
    wrong.extend(declared.difference(&used).map(|name| format!("input {name}: it is not used")));
    wrong.extend(used.difference(&declared).map(|name| format!("input {name}: it is not declared")));

    let jobs = entries(&workflow, "jobs");
    let mut commands = Vec::new();
    for (name, job) in &jobs {
        let steps = job.get("steps").and_then(Value::as_sequence).map(Vec::as_slice).unwrap_or_default();
        let complaints = check_steps(steps);
        wrong.extend(complaints.into_iter().map(|complaint| format!("job {name}: {complaint}")));
        commands.extend(steps.iter().filter_map(|step| step.get("run").and_then(Value::as_str)));
    }
    // Where inputs get to the commands.
    for (variable, _) in entries(&workflow, "env").iter().filter(|(_, value)| of_input(value)) {
        if !commands.iter().any(|command| command.contains(&format!("${variable}"))) {
            wrong.push(format!("${variable} is set and used by no command"));
        }
    }
    wrong
}

fn of_input(value: &Value) -> bool {
    value.as_str().is_some_and(|value| value.contains("inputs."))
}

/// Each step must be possible in a repository that has nothing of this one.
fn check_steps(steps: &[Value]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut tested = None;
    let mut looked = None;
    for (number, step) in steps.iter().enumerate() {
        let word = |key: &str| step.get(key).and_then(Value::as_str).unwrap_or_default();
        let (command, condition) = (word("run"), word("if"));
        if word("uses").starts_with("./") {
            wrong.push(format!("{} is in this repository alone", word("uses")));
        }
        if command.contains("${{") {
            wrong.push(format!("`{command}`: an expression in a command runs what its value says"));
        }
        let program = command.split_whitespace().next().unwrap_or_default();
        let only_if = match program {
            "" => continue,
            "$SETUP" => "inputs.setup != ''",
            "apt-get" | "sudo" if command.contains("$PACKAGES") => "inputs.packages != ''",
            "cargo" => "inputs.testkit == 'testkit'",
            "rustup" => "inputs.setup == ''",
            "$TESTKIT" if command == LEAKS => {
                looked = Some(number);
                "always()"
            }
            "$TESTKIT" => {
                tested = Some(number);
                ""
            }
            "apt-get" | "sudo" => condition,
            _ => {
                wrong.push(format!("`{command}` is in this repository alone"));
                continue;
            }
        };
        if condition != only_if {
            wrong.push(format!("`{command}` runs if {condition:?}, not if {only_if:?}"));
        }
    }
    match (tested, looked) {
        (None, _) => wrong.push("it runs no tests".to_owned()),
        (Some(tested), Some(looked)) if looked > tested => {}
        _ => wrong.push(format!("it does not look for what tests left: `{LEAKS}`")),
    }
    wrong
}

/// What is wrong with the words that a workflow, or an example of one, calls it with.
fn check_call(given: &[(&str, &Value)]) -> Vec<String> {
    let workflow = parse(&read(CALLED));
    let inputs = inputs(&workflow);
    let mut wrong = Vec::new();
    for (name, value) in given {
        let Some(input) = inputs.get(name) else {
            wrong.push(format!("{name} is no input"));
            continue;
        };
        wrong.extend(misfit(input, value).map(|why| format!("{name}: {why}")));
        if *name == "kernels" {
            wrong.extend(wrong_kernels(value.as_str().unwrap_or_default()));
        }
    }
    wrong
}

/// The jobs of a workflow that call it, by name.
fn calls(workflow: &Value) -> Vec<(&str, &Value)> {
    let is_call =
        |job: &Value| job.get("uses").and_then(Value::as_str).is_some_and(|uses| uses.contains(CALLED));
    entries(workflow, "jobs").into_iter().filter(|(_, job)| is_call(job)).collect()
}

#[test]
fn called_workflow_is_sound_and_needs_nothing_of_this_repository() {
    let wrong = check_called(&read(CALLED));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn workflow_of_this_repository_calls_it_with_its_inputs_and_with_lanes_that_have_promises() {
    let workflow = parse(&read(".github/workflows/ci.yml"));
    let calls = calls(&workflow);
    let [(_, job)] = calls.as_slice() else { panic!("called {} times", calls.len()) };
    let given = entries(job, "with");
    assert_eq!(check_call(&given), [] as [String; 0]);
    let given: BTreeMap<&str, &Value> = given.into_iter().collect();
    let kernels: Vec<String> = yaml_serde::from_str(given["kernels"].as_str().unwrap()).unwrap();
    assert_eq!(kernels.iter().cloned().collect::<BTreeSet<_>>(), series(), "each kernel of the runner");
    for kernel in kernels {
        let promises = format!("lanes/vm-{kernel}.txt");
        assert!(exists(&promises), "there is no {promises}");
    }
    let setup = given["setup"].as_str().and_then(|setup| setup.split_whitespace().next()).unwrap();
    assert!(exists(setup), "there is no {setup}");
}

/// Whoever copies it and calls the workflow with its defaults has the lanes.
#[test]
fn template_has_promises_for_each_lane_of_the_defaults() {
    let workflow = parse(&read(CALLED));
    let inputs = inputs(&workflow);
    let kernels = inputs["kernels"].get("default").and_then(Value::as_str).unwrap();
    let kernels: Vec<String> = yaml_serde::from_str(kernels).unwrap();
    let lanes = kernels.iter().map(|kernel| format!("vm-{kernel}"));
    for lane in lanes.chain(["host-rootless", "host-root"].map(str::to_owned)) {
        let promises = format!("nl-testkit/examples/downstream/lanes/{lane}.txt");
        assert!(exists(&promises), "there is no {promises}");
    }
}

/// In the workflow's own comment, in the README and in that of the template.
#[test]
fn examples_of_calls_use_its_inputs() {
    let comment = read(CALLED);
    let comment: Vec<&str> = comment.lines().map_while(|line| line.strip_prefix('#')).collect();
    let readmes = read("nl-testkit/README.md") + &read("nl-testkit/examples/downstream/README.md");
    let blocks = readmes.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let indented = comment.iter().filter(|line| line.starts_with("   ")).map(|line| format!("{line}\n"));
    let mut checked = 0;
    for example in blocks.map(str::to_owned).chain([indented.collect()]) {
        let workflow = parse(&example);
        for (name, job) in calls(&workflow) {
            let given = entries(job, "with");
            assert!(!given.is_empty(), "{name}: {example}");
            assert_eq!(check_call(&given), [] as [String; 0], "{name}");
            assert!(job.get("permissions").is_some(), "{name}: it may do nothing");
            checked += 1;
        }
    }
    assert_eq!(checked, 3, "one example here, one in the README and one in that of the template");
}

/// Every check can fail: one thing in the workflow replaced, and what must be said about it.
#[test]
fn each_planted_fault_is_found() {
    let text = read(CALLED);
    for (before, after, complaint) in FAULTS {
        assert!(text.contains(before), "the workflow has no {before:?}");
        let wrong = check_called(&text.replacen(before, after, 1)).join("\n");
        assert!(wrong.contains(complaint), "{before:?} replaced by {after:?}: {wrong:?} lacks {complaint:?}");
    }
    for (given, complaint) in CALLS {
        let given = parse(given);
        let wrong = check_call(&entries(&given, "with")).join("\n");
        assert!(wrong.contains(complaint), "{given:?}: {wrong:?} lacks {complaint:?}");
    }
}

const LEAKS: &str = "$TESTKIT leaks";

const FAULTS: &[(&str, &str, &str)] = &[
    ("default: '[\"6.1\", \"6.12\", \"7\"]'", "default: '[\"5.4\"]'", "the runner has no kernel"),
    ("default: '[\"6.1\", \"6.12\", \"7\"]'", "default: '[]'", "the list is empty"),
    ("default: '[\"6.1\", \"6.12\", \"7\"]'", "default: '6.1'", "is no list"),
    ("default: '[\"6.1\", \"6.12\", \"7\"]'", "required: true", "input kernels: it has no default"),
    ("default: false", "default: no thanks", "is no boolean"),
    ("type: boolean", "type: bool", "\"bool\" is no type"),
    (
        "        description: How the runner",
        "        about: How the runner",
        "input testkit: it is not described",
    ),
    ("fromJSON(inputs.kernels)", "[6]", "input kernels: it is not used"),
    ("fromJSON(inputs.kernels)", "fromJSON(inputs.kernel)", "input kernel: it is not declared"),
    ("SETUP: ${{ inputs.setup }}", "SET_UP: ${{ inputs.setup }}", "$SET_UP is set and used by no command"),
    ("run: $SETUP", "run: .ci/setup", "`.ci/setup` is in this repository alone"),
    ("run: $SETUP", "run: ${{ inputs.setup }}", "runs what its value says"),
    ("if: inputs.setup != ''\n        run: $SETUP", "run: $SETUP", "not if \"inputs.setup != ''\""),
    ("if: inputs.testkit == 'testkit'", "if: always()", "not if \"inputs.testkit == 'testkit'\""),
    ("if: always()\n        run: $TESTKIT leaks", "run: $TESTKIT leaks", "not if \"always()\""),
    ("$TESTKIT leaks", "$TESTKIT host", "does not look for what tests left"),
    ("$TESTKIT self-test", "$SETUP", "job self-test: it runs no tests"),
    (
        "uses: actions/checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd",
        "uses: ./.github/actions/checkout",
        "is in this repository alone",
    ),
];

const CALLS: &[(&str, &str)] = &[
    ("with: { kernel: '[\"7\"]' }", "kernel is no input"),
    ("with: { kernels: '[\"8\"]' }", "the runner has no kernel"),
    ("with: { self-test: 'yes' }", "is no boolean"),
    ("with: { packages: [libelf-dev] }", "is no string"),
];
