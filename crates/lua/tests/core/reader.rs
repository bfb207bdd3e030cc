//! Readers, NSE's reads and buffers.

use super::support::World;
use conn::Shape;
use plan::lua::FilterLimits;

/// A source of these pieces, then of `tail` for ever; `rd` reads from it.
fn script(pieces: &str, tail: &str, body: &str) -> String {
    format!(
        "return {{accept = function(self)
           local at, pieces = 0, {{{pieces}}}
           local rd = ncat.reader {{recv = function()
             at = at + 1
             if pieces[at] then return pieces[at] end
             return {tail}
           end}}
           {body}
           return true end}}"
    )
}

#[track_caller]
fn read(pieces: &str, tail: &str, body: &str) -> Vec<String> {
    limited(pieces, tail, body, FilterLimits::default())
}

#[track_caller]
fn limited(pieces: &str, tail: &str, body: &str, limits: FilterLimits) -> Vec<String> {
    let mut world = World::with(&[&script(pieces, tail, body)], Shape::Stream, limits);
    world.client();
    assert!(world.peers[0].end.is_none(), "{:?}", world.peers[0].end);
    world.printed()
}

#[test]
fn units_are_whole_however_they_come() {
    let body = "print(rd:exact(3)) print(rd:line()) print(rd:line('\\r\\n')) print(rd:upto('--'))
        print(rd:upto('==', true)) print(rd:exact(0) == '', rd:peek(2), rd:peek(1), rd:buffered())
        print(rd:some(1)) print(rd:some()) print(rd:line()) print(rd:line())";
    let wanted = ["abc", "d", "e\nf", "g-h", "i==", "true\tjk\tj\t", "j", "k", "last", "nil\tEOF"];
    let text = "abcd\ne\nf\r\ng-h--i==jk";
    let mut cuts = vec![format!("'{}'", text.escape_debug())];
    let bytes: Vec<String> = text.chars().map(|c| format!("'{}'", c.escape_debug())).collect();
    cuts.push(bytes.join(", "));
    for at in 1..text.len() {
        let (a, b) = text.split_at(at);
        cuts.push(format!("'{}', '', '{}'", a.escape_debug(), b.escape_debug()));
    }
    for cut in cuts {
        let got = read(&format!("{cut}, 'la', 'st'"), "nil", body);
        // How much some() gives depends on the pieces.
        assert_eq!(got[..5], wanted[..5], "{cut}");
        assert!(got[5].starts_with(wanted[5]), "{cut}: {got:?}");
        assert_eq!(
            got[6..],
            wanted[6..]
                .iter()
                .map(|w| match *w {
                    "nil\tEOF" => "nil\tEOF\tnil\t".to_owned(),
                    other => other.to_owned(),
                })
                .collect::<Vec<_>>(),
            "{cut}"
        );
    }
}

#[test]
fn what_is_cut_short_comes_with_the_failure() {
    for call in ["exact(9)", "upto('x')"] {
        let got = read(
            "'ab', 'c'",
            "nil, 'RESET', 'words'",
            &format!("print(rd:{call}) print(rd:some())"),
        );
        assert_eq!(got, ["nil\tRESET\twords\tabc", "nil\tRESET\twords\t"], "{call}");
        let got = read("'ab', 'c'", "nil", &format!("print(rd:{call}) print(rd:buffered())"));
        assert_eq!(got, ["nil\tEOF\tnil\tabc", "0"], "{call}");
    }
    let got = read("'ab'", "nil, 'RESET'", "print(rd:line()) print(rd:line())");
    assert_eq!(got, ["nil\tRESET\tnil\tab", "nil\tRESET\tnil\t"]);
    // Who only looks takes nothing, and who is the second reader neither.
    let got = read("'ab'", "nil, 'EOF'", "print(rd:peek(5)) print(rd:exact(2))");
    assert_eq!(got, ["nil\tEOF\tnil\tab", "ab"]);
    let got = read("'ab'", "nil, 'BUSY'", "print(rd:exact(5)) print(rd:exact(2))");
    assert_eq!(got, ["nil\tBUSY\tnil\t", "ab"]);
}

#[test]
fn what_is_read_may_be_put_back() {
    let body = "print(rd:exact(4)) rd:unread('4') rd:unread('3') print(rd:exact(3))
        for at = 1, 1000 do rd:unread('x') end print(rd:buffered()) print(rd:upto('6', true):gsub('x', ''))";
    assert_eq!(read("'1234', '56'", "nil", body), ["1234", "345", "1001", "6\t1000"]);
}

#[test]
fn misuse_is_told() {
    for (call, said) in [
        ("rd:exact(-1)", "exact was given a number that is no count"),
        ("rd:exact('x')", "exact was given a number that is no count"),
        ("rd:exact(1.5)", "exact was given a number that is no count"),
        ("rd:upto('')", "upto was given no delimiter"),
        ("rd:line('')", "line was given no delimiter"),
        ("rd:receive_buf('')", "receive_buf was given no delimiter"),
        ("ncat.reader(nil)", "reader was given a nil, expected an object with recv"),
        ("ncat.reader{recv = function() return {} end}:some()", "recv returned a table"),
    ] {
        let got = read("", "nil", &format!("print(pcall(function() return {call} end))"));
        assert!(got[0].starts_with("false\t") && got[0].contains(said), "{call}: {got:?}");
    }
}

#[test]
fn readers_and_buffers_are_limited() {
    let limits = FilterLimits { buffer: 100, ..FilterLimits::default() };
    let body = "
        print(rd:exact(101))
        local data, code, detail, partial = rd:line()
        print(data, code, detail, #partial)
        print(rd:unread(('y'):rep(101)))
        local b = ncat.buffer()
        print(b:push(('x'):rep(60))) print(b:push(('x'):rep(41))) print(b:push(('x'):rep(40)), #b)";
    let got = limited("('x'):rep(60), ('x'):rep(60), ('x'):rep(60)", "nil", body, limits);
    assert_eq!(
        got,
        [
            "nil\tLIMIT\tthe buffer is full\t",
            "nil\tLIMIT\tthe buffer is full\t120",
            "nil\tLIMIT\tthe buffer is full",
            "true",
            "nil\tLIMIT",
            "true\t100",
        ]
    );
    // All of it counts as the scripts' memory.
    let limits = FilterLimits {
        slice: std::time::Duration::ZERO,
        memory: 24 << 20,
        buffer: 0,
        ..FilterLimits::default()
    };
    let text = script("", "('x'):rep(1 << 20)", "rd:exact(1 << 30)");
    let mut world = World::with(&[&text], Shape::Stream, limits);
    world.client();
    let line = "Lua filter \"a.lua\" (connection 1), accept: not enough memory (limit 24 MiB)";
    assert_eq!(world.peers[0].end, Some(Err(line.into())));
    // And what nobody has any more does not.
    let body =
        "for at = 1, 100 do local b = ncat.buffer() b:push(('x'):rep(1 << 20)) end print 'done'";
    assert_eq!(limited("", "nil", body, limits), ["done"]);
}

#[test]
fn nse_reads() {
    let got = read(
        "'a\\nb', '\\nc\\nd'",
        "nil",
        "
        print(rd:receive_lines(2)) print(rd:receive()) print(rd:receive_lines(1))",
    );
    assert_eq!(got, ["true\ta\nb\nc\nd", "nil\tEOF", "nil\tEOF"]);
    let got = read(
        "'ab', 'cd', 'ef'",
        "nil",
        "
        print(rd:receive_bytes(3)) print(rd:receive_bytes(9)) print(rd:receive_bytes(9))",
    );
    assert_eq!(got, ["true\tabcd", "true\tef", "nil\tEOF"]);
    // What came before a timeout is given, as NSE gives it; other failures give nothing.
    let got =
        read("'ab'", "nil, 'TIMEOUT'", "print(rd:receive_lines(3)) print(rd:receive_lines(3))");
    assert_eq!(got, ["true\tab", "nil\tTIMEOUT"]);
    let got = read("'ab'", "nil, 'RESET'", "print(rd:receive_lines(3)) print(rd:receive())");
    assert_eq!(got, ["nil\tRESET", "true\tab"]);
    let got = read("'a\\nb', '\\nc\\nd'", "nil", "
        print(rd:receive_buf('\\n', false)) print(rd:receive_buf('\\n', true))
        print(rd:receive_buf('[ce]\\n', false)) print(rd:receive_buf('\\n', true)) print(rd:receive())");
    assert_eq!(got, ["true\ta", "true\tb\n", "true\t", "nil\tEOF", "true\td"]);
    let got = read(
        "'GET / HT', 'TP/1.0\\r\\nHost: x\\r\\n', '\\r\\nbody'",
        "nil",
        "
        print(rd:receive_buf('\\r?\\n\\r?\\n', true)) print(rd:receive_bytes(1))
        rd:unread('onetwothree')
        print(rd:receive_buf(function(text) return text:find('two', 1, true) end, false))",
    );
    assert_eq!(got, ["true\tGET / HTTP/1.0\r\nHost: x\r\n\r\n", "true\tbody", "true\tone"]);
}

#[test]
fn buffers_are_bytes_in_a_row() {
    let got = read("", "nil", "
        local b = ncat.buffer()
        b:push('abc') b:push('') b:push('def\\0')
        print(b:len(), #b, b:peek(2), b:peek(8), b:find('de'), b:find('x'), b:find('c', 4), b:find('\\0', 7))
        print(b:pull(2), b:pull(6), b:pull(5), b:len())
        b:push('xyz') print(b:peek()) b:clear() print(b:len(), b:pull(), b:pull(1), b:pull(0))");
    assert_eq!(got[0], "7\t7\tab\tnil\t4\tnil\tnil\t7");
    assert_eq!(got[1], "ab\tnil\tcdef\0\t0");
    assert_eq!(got[2..], ["xyz", "0\t\tnil\t"]);
}

/// A delimiter that never comes: time grows with the bytes, not with their square.
#[test]
fn nothing_is_looked_through_twice() {
    let text = script(
        "",
        "'x'",
        "local data, code = rd:upto('never') print(data, code)
         for at = 1, 20000 do rd:unread('y') end
         print(rd:buffered())",
    );
    let limits = FilterLimits {
        buffer: 1 << 18,
        slice: std::time::Duration::ZERO,
        ..FilterLimits::default()
    };
    let began = std::time::Instant::now();
    let mut world = World::with(&[&text], Shape::Stream, limits);
    world.client();
    assert_eq!(world.printed(), ["nil\tLIMIT", "20000"]);
    // A square of that many looks would take minutes.
    assert!(began.elapsed() < std::time::Duration::from_secs(60));
}
