//! Our patterns beside Lua's own: the same results and the same messages, on what somebody thought of and
//! on what nobody did.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "a test")]

use std::time::{Duration, Instant};

use lua::pattern::{Pattern, Search, Stop};

/// Calls both; what differs, or nil. Tables are compared by what is in them.
const COMPARE: &str = r#"
local function shown(value)
  if type(value) ~= "table" then return math.type(value) or type(value), tostring(value) end
  local words = {}
  for i = 1, value.n or #value do
    local kind, text = shown(value[i])
    words[i] = kind .. ":" .. text
  end
  return "list", table.concat(words, ", ")
end
local function all(iterator)
  local list = {n = 0}
  for a, b, c in iterator do
    for _, value in ipairs {a, b or "none", c or "none"} do
      list.n = list.n + 1
      list[list.n] = value
    end
    if list.n > 300 then break end
  end
  return list
end
local function run(library, name, ...)
  local results = table.pack(pcall(function(...)
    if name == "gmatch" then return all(library.gmatch(...)) end
    return library[name](...)
  end, ...))
  -- A place in a script belongs to who calls, and so does the name by which a function is called.
  if not results[1] then
    results[2] = tostring(results[2]):gsub("^[^ ]*:%d+: ", ""):gsub("(argument #%d+ to) '[^']*'", "%1 it")
  end
  local kind, text = shown(results)
  return text
end
return function(name, ...)
  local theirs, ours = run(own, name, ...), run(string, name, ...)
  if theirs == ours then return nil end
  local given = table.pack(...)
  for i = 1, given.n do
    given[i] = type(given[i]) == "string" and ("%q"):format(given[i]) or tostring(given[i])
  end
  return name .. "(" .. table.concat(given, ", ") .. ")\n  Lua: " .. theirs .. "\n ours: " .. ours
end
"#;

#[test]
fn what_the_manual_names_is_as_in_lua() {
    let lua = lua::filter::beside_lua_own().unwrap();
    let compare: mlua::Function = lua.load(COMPARE).eval().unwrap();
    lua.globals().set("compare", compare).unwrap();
    let script = include_str!("patterns.lua");
    let (count, differences): (u32, Vec<mlua::LuaString>) =
        lua.load(script).set_name("=patterns").eval().unwrap();
    let differences: Vec<String> = differences.iter().map(|text| text.to_string_lossy()).collect();
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
    assert!(count > 3000, "{count}");
}

/// A generator of its own, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }
}

const PIECES: [&str; 54] = [
    "a", "b", "c", "-", "+", "*", "?", ".", "%", "[", "]", "^", "$", "(", ")", "()", "(a", "b)",
    "%a", "%d", "%s", "%w", "%p", "%x", "%A", "%S", "%W", "%c", "%l", "%u", "%g", "%1", "%2", "%0",
    "%bab", "%b()", "%f[a]", "%f[^%w]", "%f", "[a-c]", "[^b]", "[%w_]", "[]a]", "[^]]", "[a-]",
    "%.", "%%", "%-", ".-", ".*", "(.-)", "%z", "\0", "\u{e9}",
];
const LETTERS: &[u8] = b"aabbbcc()-_. %A1\n\0\xe9[]^$";
const REPLACEMENTS: [&str; 9] = ["", "x", "%0", "%1", "<%0>%%", "%2", "%", "%a", "[%1]"];

#[test]
fn random_patterns_and_subjects_are_as_in_lua() {
    let lua = lua::filter::beside_lua_own().unwrap();
    let compare: mlua::Function = lua.load(COMPARE).eval().unwrap();
    let replace: mlua::Table = lua
        .load("return {{a = 'A', b = false, [1] = 'one'}, function(x, y) return y or x end}")
        .eval()
        .unwrap();
    let dice = &mut Dice(4711);
    for round in 0..60_000 {
        let pattern: String = (0..dice.roll(7)).map(|_| PIECES[dice.roll(PIECES.len())]).collect();
        let subject: Vec<u8> =
            (0..dice.roll(14)).map(|_| LETTERS[dice.roll(LETTERS.len())]).collect();
        let subject = lua.create_string(&subject).unwrap();
        let init = dice.roll(20) as i64 - 8;
        let difference: Option<mlua::LuaString> = match round % 5 {
            0 => compare.call(("find", subject, pattern, init)),
            1 => compare.call(("match", subject, pattern, init)),
            2 => compare.call(("gmatch", subject, pattern, init)),
            3 => {
                let with = REPLACEMENTS[dice.roll(REPLACEMENTS.len())];
                compare.call(("gsub", subject, pattern, with, (init > 0).then_some(init)))
            }
            _ => {
                let with: mlua::Value = replace.get(1 + dice.roll(2)).unwrap();
                compare.call(("gsub", subject, pattern, with))
            }
        }
        .unwrap();
        let difference = difference.map(|text| text.to_string_lossy());
        assert_eq!(difference, None, "round {round}");
    }
}

#[test]
fn a_pattern_that_goes_back_for_ever_is_stopped() {
    let subject = vec![b'a'; 64 << 10];
    for text in
        [".-.-.-.-b", "(a*)*(a*)(a*)(a*)b$", "^(.-)(.-)(.-)(.-)\0", "%b()%1", "a?a?a-a-a-a-b"]
    {
        let pattern = Pattern::new(text.as_bytes(), true);
        let began = Instant::now();
        let mut asked = 0;
        let mut search = Search::new(&pattern, &subject, || {
            asked += 1;
            began.elapsed() < Duration::from_millis(50)
        });
        let found = search.find(0).map(|found| found.is_some());
        let took = began.elapsed();
        assert!(took < Duration::from_secs(5), "{text}: {took:?}");
        if text != "%b()%1" {
            assert_eq!(found, Err(Stop::Late), "{text}");
            assert!(asked > 0, "{text}: asked {asked} times");
        }
    }
}
