//! What a filter cannot do, however it tries: run on, take all memory, reach what is not its own.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "a test")]

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use conn::{Conn, ConnInfo, Duplex, Recv, Shape};
use lua::filter::{Engine, Facts, SearchPath};
use plan::{FilterSpec, Filters};

/// A wire that has one piece and then waits for ever.
struct Wire(Option<Bytes>);

impl Duplex for Wire {
    fn poll_recv(
        &mut self,
        _cx: &mut Context<'_>,
        _max: usize,
        out: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<Recv>> {
        match self.0.take() {
            Some(piece) => {
                out.push_back(piece);
                Poll::Ready(Ok(Recv::Data))
            }
            None => Poll::Pending,
        }
    }

    fn poll_send(
        &mut self,
        _cx: &mut Context<'_>,
        queue: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(queue.drain(..).map(|piece| piece.len()).sum()))
    }

    fn poll_finish(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

static SCRIPTS: AtomicU32 = AtomicU32::new(0);

/// An engine with this script as its one filter, 16 MiB, and this slice.
fn load(script: &[u8], slice: Duration) -> Result<Arc<Engine>, String> {
    let number = SCRIPTS.fetch_add(1, Ordering::Relaxed);
    let dir = std::env::temp_dir().join(format!("ncat-bounds-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("x.lua");
    std::fs::write(&path, script).unwrap();
    let spec = FilterSpec { what: path.to_str().unwrap().into(), ..FilterSpec::default() };
    let mut filters = Filters { stack: vec![spec], ..Filters::default() };
    filters.limits.slice = slice;
    filters.limits.load = slice;
    filters.limits.memory = 16 << 20;
    filters.limits.close = Duration::from_millis(500);
    let log = Box::new(|_: &str, _: &str, _, _: &str| {});
    let engine =
        Engine::load(&filters, &SearchPath::default(), false, log, gate::Gatekeeper::open());
    std::fs::remove_dir_all(dir).unwrap();
    engine.map(Arc::new)
}

/// What a connection gives of the piece `x`: bytes, or the line of the fault.
async fn receive(engine: &Arc<Engine>, piece: &[u8]) -> Result<Vec<u8>, String> {
    let wire = Wire(Some(Bytes::copy_from_slice(piece)));
    let conn = Conn::from_duplex(ConnInfo::default(), Shape::Stream, Box::new(wire));
    let (mut top, driver) = engine.wrap(conn, Facts { mode: "listen", ..Facts::default() });
    let driving = tokio::spawn(driver);
    let mut out = VecDeque::new();
    let got = poll_fn(|cx| top.poll_recv(cx, 65_536, &mut out)).await;
    drop(top);
    driving.await.unwrap();
    match got {
        Ok(_) => Ok(out.into_iter().flatten().collect()),
        Err(error) => Err(error.to_string()),
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(future)
}

/// Longer than anything takes that ends, on a busy machine too.
const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(100);

/// A filter whose `recv` has this body, and `prelude` before it.
fn receiving(prelude: &str, body: &str, slice: Duration) -> Result<Vec<u8>, String> {
    let script = format!("{prelude}\nreturn {{recv = function(self) {body} end}}");
    run(receive(&load(script.as_bytes(), slice).unwrap(), b"x"))
}

#[test]
fn the_slice_cannot_be_swallowed() {
    let prelude = "
        local function forever() while true do end end
        local closing = setmetatable({}, {__close = forever})
        local endless = setmetatable({}, {
          __index = forever, __len = function() return 1 << 60 end, __lt = forever, __concat = forever,
          __tostring = forever, __call = forever, __eq = forever, __pairs = forever, __unm = forever,
        })
        local again = function(f) return function(...) while true do f(...) end end end";
    for body in [
        "forever()",
        "again(pcall)(forever)",
        "pcall(pcall, pcall, forever) pcall(again(pcall), forever) return 'x'",
        "again(xpcall)(forever, function() end)",
        "again(xpcall)(forever, forever)",
        "again(xpcall)(error, forever)",
        "again(coroutine.resume)(coroutine.create(forever))",
        "while true do coroutine.resume(coroutine.create(forever)) end",
        "while true do pcall(coroutine.wrap(forever)) end",
        "local co = coroutine.create(forever) coroutine.resume(co) again(coroutine.close)(co)",
        "local co = coroutine.create(function() local x <close> = closing coroutine.yield() end)
         coroutine.resume(co) while true do pcall(coroutine.close, co) end",
        "while true do pcall(coroutine.wrap(function() local x <close> = closing forever() end)) end",
        "local x <close> = closing forever()",
        "pcall(function() local x <close> = closing forever() end) while true do end",
        "do local x <close> = closing end",
        "for _ in forever do end",
        "for _ in pairs(endless) do end",
        "local function nest(n) return coroutine.wrap(function()
           if n == 0 then forever() end while true do pcall(nest(n - 1)) end end)() end
         while true do pcall(nest, 20) end",
        "while true do pcall(table.sort, {3, 2, 1, 5, 4}, forever) end",
        "while true do pcall(string.gsub, 'x', 'x', forever) end",
        "while true do pcall(string.gsub, ('x'):rep(99999), '.', forever) end",
        "while true do load(forever) end",
        "while true do pcall(load, function() return forever() end) end",
        "return endless.x",
        "return endless < endless",
        "return tostring(endless)",
        "return endless .. 'x'",
        "return -endless",
        "while true do pcall(ncat.with_timeout, 1, forever) end",
        "ncat.spawn(forever) return self.super:recv() and self.super:recv()",
        "goto top ::top:: goto top",
        "local function f() return f() end f()",
        "error(setmetatable({}, {__tostring = forever}))",
        // What Lua's own library would never come back from.
        "return ('a'):rep(65536):find('.-.-.-.-b')",
        "return ('a'):rep(65536):match('(a*)*(a*)(a*)(a*)b$')",
        "while true do pcall(string.find, ('a'):rep(65536), '.-.-.-.-b') end",
        "for _ in ('a'):rep(65536):gmatch('.-.-.-.-b') do end",
        "return (('a'):rep(65536):gsub('.-.-.-.-b', ''))",
        "return (('a'):rep(65536):gsub('.-.-.-.-b', {}))",
        "while true do local s = ('x'):rep(1 << 20) end",
        "while true do local s = bytes.hex(('x'):rep(1 << 20)) end",
    ] {
        let began = Instant::now();
        let got = receiving(prelude, body, SHORT);
        let took = began.elapsed();
        let said = got.expect_err(body);
        let is_task = body.contains("spawn");
        let method = if is_task { "task" } else { "recv" };
        let line = format!(
            "Lua filter \"x.lua\" (connection 1), {method}: ran for more than 0.1 s without waiting"
        );
        assert_eq!(said, line, "{body}");
        assert!(took < LONG, "{body}: {took:?}");
    }
}

#[test]
fn what_would_never_end_in_the_library_is_refused() {
    let prelude = "local long = setmetatable({}, {__len = function() return 1 << 60 end})";
    for (body, said) in [
        ("return ('').rep('', 1 << 60)", ""),
        ("table.move({}, 1, 1 << 60, 2)", "too many elements to move"),
        ("table.move({}, 1, 1 << 60, 2, {})", "too many elements to move"),
        ("table.insert(long, 1, 'x')", "the list is too long"),
        ("table.remove(long, 1)", "the list is too long"),
        ("table.sort(long, rawequal)", "the list is too long"),
        ("load(('x=1 '):rep(1 << 19))", "the chunk is longer than 1048576 bytes"),
    ] {
        let body = format!(
            "local ok, why = pcall(function() {body} end) return 'x' .. (ok and '' or why)"
        );
        let got = String::from_utf8(receiving(prelude, &body, LONG).unwrap()).unwrap();
        assert!(got.ends_with(said) && (got == "x") == said.is_empty(), "{body}: {got}");
    }
}

#[test]
fn memory_is_bounded_and_a_fault_that_runs_out_of_it_is_one() {
    for body in [
        "local t = {} while true do t[#t + 1] = {} end",
        "local t = {} while true do t[#t + 1] = #t .. 'x' end",
        "local s = 'x' while true do s = s .. s end",
        "return ('x'):rep(1 << 30)",
        "return ('x'):rep(1 << 62, ',')",
        "local t = {} while true do t[#t + 1] = coroutine.create(print) end",
        "local t = {} while true do t[#t + 1] = coroutine.wrap(print) end",
        "local t = {} while true do t[#t + 1] = function() return t end end",
        "local t = {} while true do t[#t + 1] = ncat.buffer() end",
        "local t = {} while true do t[#t + 1] = ncat.reader(self.super) end",
        "local t = {} while true do t[#t + 1] = ncat.queue() end",
        "local b = {} for i = 1, 100 do b[i] = ncat.buffer() b[i]:push(('x'):rep(1 << 20)) end",
        "return (('x'):rep(1 << 20):gsub('x', ('y'):rep(1 << 20)))",
        "return bytes.replace(('x'):rep(1 << 20), 'x', ('y'):rep(1 << 20))",
        "return bytes.hex(('x'):rep(10 << 20))",
        "return table.concat({('x'):rep(9 << 20), ('x'):rep(9 << 20)})",
        "return string.format('%s%s%s', ('x'):rep(6 << 20), ('x'):rep(6 << 20), ('x'):rep(6 << 20))",
        "return #table.pack(('x'):rep(1 << 20):byte(1, -1))",
    ] {
        let said = receiving("", body, LONG).expect_err(body);
        let full = "Lua filter \"x.lua\" (connection 1), recv: not enough memory (limit 16 MiB)";
        // What is too long for any string or stack is an error of the script's own.
        let long = said.ends_with("stack overflow (string slice too long)")
            || said.ends_with("recv: resulting string too large");
        assert!(said == full || long, "{body}: {said}");
    }
    // Whoever catches it goes on, and so do the others; what was taken comes back.
    let body = "for _ = 1, 10 do
          local ok, why = pcall(string.rep, 'x', 1 << 30) assert(not ok and tostring(why):find 'memory')
        end return 'on'";
    assert_eq!(receiving("", body, LONG).unwrap(), b"on");
    let script = "return {recv = function(self)
        local data = self.super:recv()
        if data == 'bad' then local t = {} while true do t[#t + 1] = {} end end
        return data end}";
    let engine = load(script.as_bytes(), LONG).unwrap();
    run(async {
        for _ in 0..3 {
            let said = receive(&engine, b"bad").await.unwrap_err();
            assert!(said.contains("not enough memory (limit 16 MiB)"), "{said}");
            assert_eq!(receive(&engine, b"good").await.unwrap(), b"good");
        }
    });
}

#[test]
fn a_world_has_what_it_should_and_no_more() {
    let absent = "io dofile loadfile package os.execute os.exit os.getenv os.remove os.rename \
        os.tmpname os.setlocale debug.getinfo debug.sethook debug.getregistry debug.getupvalue \
        debug.setmetatable debug.getmetatable debug.getlocal debug.upvaluejoin string.dump \
        rawget(_G,'native') rawget(_G,'flags') jit module unpack loadstring setfenv collectgarbage.x";
    let present = "assert error getmetatable ipairs next pairs pcall print rawequal rawget rawlen rawset \
        require select setmetatable tonumber tostring type xpcall _VERSION load coroutine.wrap math.sin \
        string.find table.sort utf8.char os.time os.date os.clock os.difftime collectgarbage \
        debug.traceback ncat.now bytes.hex args connections";
    let body = format!(
        "local list = {{}}
         for word in ([[{absent}]]):gmatch '%S+' do
           local f = load('return ' .. word) local ok, value = pcall(f)
           if ok and value ~= nil then list[#list + 1] = word end
         end
         for word in ([[{present}]]):gmatch '%S+' do
           local ok, value = pcall(load('return ' .. word))
           if not ok or value == nil then list[#list + 1] = 'no ' .. word end
         end
         return 'found:' .. table.concat(list, ' ')"
    );
    assert_eq!(String::from_utf8(receiving("", &body, LONG).unwrap()).unwrap(), "found:");
}

#[test]
fn what_is_shared_cannot_be_changed() {
    for (body, said) in [
        ("return tostring(getmetatable(''))", "false"),
        ("getmetatable('').__index = {}", "attempt to index a boolean value"),
        ("return tostring(pcall(setmetatable, '', {}))", "false"),
        ("setmetatable({}, {__gc = print})", "__gc is not available"),
        ("setmetatable({}, {__gc = true})", "__gc is not available"),
        ("return tostring(getmetatable(self.super))", "false"),
        ("return tostring(getmetatable(connections))", "false"),
        ("connections[1] = 1", "connections cannot be written to"),
        ("self.super.x = 1", "the root has no fields"),
        ("self.conn.id = 2", "self.conn cannot be written to"),
        ("collectgarbage('collect')", "only collectgarbage(\"count\") is available"),
        ("collectgarbage()", "only collectgarbage(\"count\") is available"),
        ("return tostring(load('\\27Lua'))", "nil"),
        ("return (select(2, load('\\27Lua')))", "attempt to load a binary chunk"),
        (
            "return (select(2, load(coroutine.wrap(function() coroutine.yield('\\27Lua') end))))",
            "attempt to load a binary chunk",
        ),
        ("return (select(2, load('\\27Lua', 'x', 'b')))", "attempt to load a binary chunk"),
        ("string.upper = nil return ('x'):upper()", "X"),
        ("string.find = nil return tostring(('x'):find('x'))", "1"),
    ] {
        let body =
            format!("local ok, why = pcall(function() {body} end) return 'x' .. tostring(why)");
        let got = String::from_utf8(receiving("", &body, LONG).unwrap()).unwrap();
        assert!(got.contains(said), "{body}: {got}");
    }
    let said = load(b"\x1bLuaQ", LONG).unwrap_err();
    assert!(said.contains("attempt to load a binary chunk"), "{said}");
    // A finalizer by way of the prototype's metatable.
    let script =
        "local meta = {} local filter = setmetatable({}, meta) meta.__gc = print return filter";
    let said = run(receive(&load(script.as_bytes(), LONG).unwrap(), b"x")).unwrap_err();
    assert!(said.contains("__gc is not available"), "{said}");
}

#[test]
fn loading_is_bounded() {
    for (script, said) in [
        ("while true do end", "ran for more than 0.1 s without waiting"),
        ("while true do pcall(function() while true do end end) end", "ran for more than 0.1 s"),
        ("local s = ('a'):rep(65536):find('.-.-.-.-b')", "ran for more than 0.1 s"),
        ("local t = {} while true do t[#t + 1] = {} end", "not enough memory"),
        ("ncat.sleep(1)", "tried to wait while loading"),
        ("ncat.queue():pop()", "tried to wait while loading"),
    ] {
        let slice = if said.starts_with("ran") { SHORT } else { LONG };
        let got = load(script.as_bytes(), slice).unwrap_err();
        assert!(got.starts_with("Lua filter \"x.lua\"") && got.contains(said), "{script}: {got}");
    }
    let long = vec![b' '; (1 << 20) + 1];
    assert!(load(&long, LONG).unwrap_err().starts_with("Cannot read Lua filter"));
    let mut fits = b"return {}".to_vec();
    fits.resize(1 << 20, b' ');
    load(&fits, LONG).unwrap();
}
