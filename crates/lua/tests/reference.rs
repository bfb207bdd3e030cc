//! The reference names what scripts find, and nothing else.
#![cfg(all(feature = "gzip", feature = "zstd"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "a test")]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use lua::filter::{Engine, LIBRARY, SearchPath};
use plan::{FilterSpec, Filters};

#[test]
fn the_reference_has_what_scripts_find() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("names.lua");
    let text = "for _, library in ipairs {'ncat', 'bytes', 'codec', 'crypto', 'json'} do
        for name in pairs(_G[library]) do print(library .. '.' .. name) end
      end
      return {}";
    std::fs::write(&path, text).unwrap();
    let stack = vec![FilterSpec::parse(path.to_str().unwrap()).unwrap()];
    let filters = Filters { stack, ..Filters::default() };
    let said = Arc::new(Mutex::new(BTreeSet::new()));
    let heard = Arc::clone(&said);
    let log = Box::new(move |_: &str, _: &str, _, text: &str| {
        heard.lock().unwrap().insert(text.to_owned());
    });
    let gate = gate::Gatekeeper::open();
    Engine::load(&filters, &SearchPath::default(), false, log, gate).unwrap();
    let there = said.lock().unwrap().clone();
    let name = |call: &str| call.split(['(', '[']).next().unwrap().to_owned();
    let named: BTreeSet<String> = LIBRARY.iter().map(|(call, _)| name(call)).collect();
    assert_eq!(there, named);
    assert!(there.len() > 40);
}
