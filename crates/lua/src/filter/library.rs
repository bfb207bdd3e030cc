//! What scripts may call beside the core: native functions, and the Lua around them.

use std::sync::Arc;

use gate::Action;
use mlua::{Lua, StdLib, Table, UserDataRef};

use super::files;
use super::grants::{Grants, Held};
use super::native::Shared;

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
