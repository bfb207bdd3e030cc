//! Whatever comes, whatever is written behind `-L` and whatever a script declares: an answer, and no panic.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "a test")]

use lua::filter::{BUNDLED, Engine, Report, SearchPath, check};
use plan::{FilterSpec, Filters};

/// Numbers that look random and are the same in each run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn text(&mut self, letters: &[&str], len: u64) -> String {
        let len = self.below(len);
        (0..len).map(|_| letters[self.below(letters.len() as u64) as usize]).collect()
    }
}

fn load(spec: FilterSpec) -> Result<(), String> {
    let filters = Filters { stack: vec![spec], ..Filters::default() };
    let log = Box::new(|_: &str, _: &str, _, _: &str| {});
    let gate = gate::Gatekeeper::open();
    Engine::load(&filters, &SearchPath::default(), false, log, gate).map(drop)
}

fn run(path: &str) -> Report {
    let filters = Filters { stack: vec![FilterSpec::parse(path).unwrap()], ..Filters::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let log = Box::new(|_: &str, _: &str, _, _: &str| {});
    runtime.block_on(check(&filters, &SearchPath::default(), false, log)).unwrap()
}

#[test]
fn anything_behind_the_option_is_taken_or_refused() {
    let mut noise = Noise(0x2545_f491_4f6c_dd1d);
    let letters = ["a", "key", ":", ",", "=", "\\", "@", " ", "C:\\", "/", "é", "help", "\n", "1"];
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..20_000 {
        let text = noise.text(&letters, 12);
        match FilterSpec::parse(&text) {
            Ok(spec) => {
                taken += 1;
                assert!(!spec.what.is_empty(), "{text:?}");
            }
            Err(_) => refused += 1,
        }
        let _ = plan::Capability::list(&text);
    }
    assert!(taken > 1000 && refused > 1000, "{taken} {refused}");
}

#[test]
fn any_table_of_options_is_taken_or_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.lua");
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    let values = [
        "nil",
        "true",
        "5",
        "-1.5",
        "'int'",
        "'size'",
        "'hostport'",
        "'hex'",
        "'time'",
        "{}",
        "{'a', 'b'}",
        "print",
        "''",
        "'9999999999999999999G'",
        "0/0",
        "'\\xff'",
        "{[1] = {}}",
        "'path'",
        "'bool'",
    ];
    let keys = ["type", "default", "required", "help", "secret", "other"];
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..400 {
        let mut option = String::new();
        for _ in 0..noise.below(5) {
            let key = keys[noise.below(keys.len() as u64) as usize];
            let value = values[noise.below(values.len() as u64) as usize];
            option.push_str(&format!("{key} = {value}, "));
        }
        let odd = if noise.below(10) == 0 { ", 7" } else { "" };
        std::fs::write(&path, format!("return {{options = {{a = {{{option}}}{odd}}}}}")).unwrap();
        let mut spec = FilterSpec::parse(path.to_str().unwrap()).unwrap();
        if noise.below(2) == 0 {
            let value = noise.text(&["1", "k", "x", ":", "G", "é", ".", "-", "s"], 8);
            spec.add(&format!("a={value}")).unwrap();
        }
        match load(spec) {
            Ok(()) => taken += 1,
            Err(why) => {
                refused += 1;
                assert!(why.starts_with("Lua filter \"x.lua\""), "{why}");
            }
        }
    }
    assert!(taken > 30 && refused > 30, "{taken} {refused}");
}

#[test]
fn decoders_take_anything_without_a_fault() {
    // Each filter around itself gets noise from the wire; what it says is its own words or nothing.
    let dir = tempfile::tempdir().unwrap();
    let mut noise = Noise(0xd134_2543_de82_ef95);
    let mut count = 0;
    for (name, text) in BUNDLED {
        let args = match *name {
            "replace" => "find = 'ab'",
            "throttle" => "rate = '1G'",
            "xor" => "key = 'k'",
            "httpproxy" | "socks5" => "server = 'h:1'",
            _ => "",
        };
        let connect = if args.contains("server") { "connect = {'h', 1}, " } else { "" };
        let mut tests = String::new();
        for _ in 0..12 {
            let bytes: String = (0..noise.below(200))
                .map(|_| match noise.below(3) {
                    0 => format!("\\x{:02x}", noise.below(256)),
                    1 => ["0", "4", ":", ",", "=", "\\n", "\\r", "A", "\\xff", "\\xfa"]
                        [noise.below(10) as usize]
                        .to_owned(),
                    _ => format!("\\x{:02x}", 32 + noise.below(64)),
                })
                .collect();
            tests.push_str(&format!(
                "{{args = {{{args}}}, {connect}recv = \"{bytes}\", deliver = function() return true end}},"
            ));
            count += 1;
        }
        let path = dir.path().join(format!("{name}.lua"));
        let inner = text.replace("required = true", "required = false");
        let script = format!(
            "local function f(...) {inner} end local t = f(...) t.tests = {{{tests}}} t.needs = nil return t"
        );
        std::fs::write(&path, script).unwrap();
        let report = run(path.to_str().unwrap());
        for line in report.text.lines() {
            let is_fault =
                ["attempt to", "returned a", "bad argument", "come to an end", "waits for"];
            assert!(!is_fault.iter().any(|word| line.contains(word)), "{}", report.text);
        }
    }
    assert!(count > 200);
}
