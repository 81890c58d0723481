//! Every test that the threat model names is there.

use std::path::PathBuf;

fn read(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_test_that_the_threat_model_names_is_there() {
    let model = read("docs/src/threat-model.md");
    let named: Vec<_> = model.split('`').filter(|text| text.starts_with("tests/")).collect();
    assert!(named.len() > 30, "{}", named.len());
    for name in named {
        let (file, test) = name.split_once("::").unwrap_or((name, ""));
        let source = read(file);
        let there = test.is_empty() || source.contains(&format!("#[test]\nfn {test}() {{"));
        assert!(there, "{name} is not there");
    }
}

#[test]
fn every_row_of_an_actor_names_its_test() {
    let model = read("docs/src/threat-model.md");
    let actors = model.split_once("## Actors").expect("actors").1;
    let rows = actors.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| at worst"));
    for row in rows {
        assert!(row.contains("`tests/"), "no test: {row}");
    }
}
