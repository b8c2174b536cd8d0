//! The program of the manual is the example that the kernel tests run.

/// A program without what a formatter may change.
fn bare(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    text.replace(",)", ")").replace("pub(crate)", "")
}

#[test]
fn program_of_the_manual_is_the_example() {
    let manual = include_str!("../../src/leaf/manual.rs");
    let lines = manual.lines().map_while(|line| line.strip_prefix("//!"));
    let mut blocks = lines.map(|line| line.strip_prefix(' ').unwrap_or(line));
    let program: Vec<&str> = blocks
        .by_ref()
        .skip_while(|line| !line.starts_with("```"))
        .skip(1)
        .take_while(|line| !line.starts_with("```"))
        .collect();
    assert!((50..=70).contains(&program.len()), "{} lines", program.len());
    let example = include_str!("../../examples/evpn_leaf.rs");
    let example: Vec<&str> = example.lines().filter(|line| !line.starts_with("//!")).collect();
    assert_eq!(bare(&example.join("\n")), bare(&program.join("\n")));
}
