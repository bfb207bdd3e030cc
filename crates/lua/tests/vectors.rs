//! The bundled filters' own tests (the vectors of spec section 20 among them), each with its input cut at
//! every place: what `--lua-check` runs.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "a test")]

use lua::filter::{BUNDLED, Report, SearchPath, check};
use plan::{FilterSpec, Filters};

fn run(spec: &str) -> Report {
    let stack = vec![FilterSpec::parse(spec).unwrap()];
    let filters = Filters { stack, ..Filters::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let path = SearchPath::default();
    let log = Box::new(|_: &str, _: &str, _, _: &str| {});
    runtime.block_on(check(&filters, &path, false, log)).unwrap()
}

#[test]
fn bundled_filters_pass_their_own_tests() {
    let mut failures = String::new();
    for (name, _) in BUNDLED {
        let spec = match *name {
            "replace" => "replace:find=x".to_owned(),
            "throttle" => "throttle:rate=1k".to_owned(),
            "httpproxy" | "socks5" => format!(r"{name}:server=h\:1"),
            name => name.to_owned(),
        };
        let report = run(&spec);
        if report.failed > 0 || report.tests < 2 {
            failures.push_str(&report.text);
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn tests_that_do_not_hold_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let told = |test: &str| {
        let path = dir.path().join("x.lua");
        let text = format!(
            "return {{send = function(s, d) return s.super:send(d:upper()) end, tests = {{{test}}}}}"
        );
        std::fs::write(&path, text).unwrap();
        let report = run(path.to_str().unwrap());
        (report.failed, report.text)
    };
    assert_eq!(told("{send = 'a', wire = 'A'}").0, 0);
    for (test, said) in [
        ("{send = 'a', wire = 'a'}", "wire is \"A\", expected \"a\""),
        ("{send = {'a', 'b'}, wire = {'AB'}}", "wire is [\"A\", \"B\"], expected [\"AB\"]"),
        ("{recv = 'a', deliver = 'A'}", "deliver is \"a\", expected \"A\""),
        ("{send = 'a', wire = function(w) return false, 'no' end}", "no"),
        ("{send = 'a', wire = function(w) error('x') end}", "x"),
        ("{recv = 'a', deliver = 'a', error = 'x'}", "expected x, got no failure"),
        ("{send = 'a', wires = 'A'}", "unknown key \"wires\""),
        ("{send = 'a'}", "it expects nothing"),
        ("{send = 5, wire = 'A'}", "\"send\" must be a string or a list of strings"),
        ("7", "it is a integer, not a table"),
        ("{send = 'a', wire = 'A', files = {f = 'x'}}", "f is \"\", expected \"x\""),
        ("{args = {x = 1}, connect = {'h', 1}, send = 'a', wire = 'B'}", "wire is \"A\""),
    ] {
        let (failed, text) = told(test);
        assert!(failed == 1 && text.contains(said), "{test}: {text}");
        assert!(text.contains("1 of 1 tests FAILED"), "{text}");
    }
}
