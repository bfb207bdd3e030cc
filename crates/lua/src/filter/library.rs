//! What scripts may call beside the core: native functions, and the Lua around them.

use std::sync::Arc;

use gate::Action;
use mlua::{Lua, LuaString, StdLib, Table, UserDataRef};

use super::files;
use super::grants::{Grants, Held};
use super::native::Shared;
use super::{bytes_text, codec, crypto, json};

/// The most random bytes of a call.
const RANDOM_MAX: usize = 1 << 20;

/// Adds what `library.lua` calls, and itself as `native.library`.
pub(super) fn add(lua: &Lua, native: &Table, shared: &Arc<Shared>) -> mlua::Result<()> {
    files::add(lua, native, shared)?;
    let own = Arc::clone(shared);
    let env = move |_: &Lua, (grants, name): (UserDataRef<Held>, String)| {
        if !grants.0.has("env") {
            let why = "reading the environment is not allowed; --lua-allow env allows it";
            return Ok((None, Some("DENIED"), Some(why.to_owned())));
        }
        if let Err(denied) = own.gate.decide(Action::ReadEnvironment(name.clone())) {
            return Ok((None, Some("DENIED"), Some(denied.to_string())));
        }
        let value = std::env::var_os(&name).map(|value| value.into_encoded_bytes());
        Ok((value.map(mlua::BString::from), None, None))
    };
    native.raw_set("env", lua.create_function(env)?)?;
    let bytes: Table = native.raw_get("bytes")?;
    bytes_text::add(lua, &bytes)?;
    native.raw_set("codec", codec::make(lua, shared)?)?;
    native.raw_set("crypto", crypto::make(lua)?)?;
    native.raw_set("json", json::make(lua, shared.chunk_max())?)?;
    let random = |lua: &Lua, count: i64| {
        let count = usize::try_from(count).ok().filter(|count| *count <= RANDOM_MAX);
        let count = count
            .ok_or_else(|| mlua::Error::runtime(format!("random gives 0 to {RANDOM_MAX} bytes")))?;
        let mut bytes = vec![0; count];
        sys::random::fill(&mut bytes).map_err(mlua::Error::external)?;
        lua.create_string(bytes)
    };
    native.raw_set("random", lua.create_function(random)?)?;
    let dump = |lua: &Lua, data: LuaString| {
        let mut text = Vec::new();
        proto::hexdump::write(&data.as_bytes(), &mut text);
        lua.create_string(text)
    };
    native.raw_set("hexdump", lua.create_function(dump)?)?;
    let library = lua.load(include_str!("library.lua")).set_name("=library");
    native.raw_set("library", library.into_function()?)
}

/// Puts into `state` what a script was granted; where that is everything, all of Lua's own libraries.
pub(super) fn grant(lua: &Lua, state: &Table, grants: &Arc<Grants>) -> mlua::Result<()> {
    state.raw_set("grants", lua.create_userdata(Held(Arc::clone(grants)))?)?;
    if grants.has("unsafe") {
        // The global tables are no script's; each gets copies.
        lua.load_std_libs(StdLib::IO)?;
        let whole = lua.create_table()?;
        for name in ["io", "os", "debug"] {
            whole.raw_set(name, lua.globals().raw_get::<Table>(name)?)?;
        }
        state.raw_set("whole", whole)?;
    }
    Ok(())
}
