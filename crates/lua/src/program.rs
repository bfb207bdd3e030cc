//! `--lua-exec`: a script that has a process, and standard input and output, for itself.

use crate::source::{Source, plain};

/// Before whatever waits for others, what was written goes out. C keeps output that is no terminal's
/// until there is much of it: a peer that is asked something with `io.write` would never see the question.
const PRELUDE: &str = r#"
local out = io.stdout
local function flush() if io.type(out) == "file" then out:flush() end end
local function first(f) return function(...) flush() return f(...) end end
local function each(f)
  return function(...)
    local function pass(following, ...) return first(following), ... end
    return pass(f(...))
  end
end
local file = getmetatable(out).__index
io.read, io.lines = first(io.read), each(io.lines)
file.read, file.lines = first(file.read), each(file.lines)
os.execute, io.popen = first(os.execute), first(io.popen)
"#;

/// Runs it to its end in this process; `os.exit` ends the process. `memory` is what it may take in bytes:
/// beyond that an allocation is an error of the script, below it a failure of the system ends the process.
///
/// # Errors
/// What Lua says, with a traceback.
pub fn run(source: &Source, memory: Option<usize>) -> Result<(), String> {
    let lua = crate::ffi::whole();
    let run = || -> mlua::Result<()> {
        if let Some(bytes) = memory {
            lua.set_memory_limit(bytes.max(1 << 20))?;
        }
        lua.load(PRELUDE).set_name("=prelude").exec()?;
        let arg = lua.create_table()?;
        arg.raw_set(0, source.name.as_str())?;
        lua.globals().raw_set("arg", arg)?;
        source.load(&lua)?.call::<()>(())
    };
    run().map_err(|error| plain(&error))
}
