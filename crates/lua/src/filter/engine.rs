//! One Lua state, its scripts loaded and checked, from which each connection gets its stack.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;
use std::time::Duration;

use conn::{Conn, Shape};
use gate::{Action, Gatekeeper};
use mlua::debug::HookTriggers;
use mlua::{Function, Lua, MultiValue, Table, Value, VmState};
use plan::Filters;
use plan::lua::Argument;
use sha2::{Digest, Sha256};

use super::clock::Clock;
use super::code::Origin;
use super::driver::Driver;
use super::duplex::Top;
use super::find::{self, Found, SearchPath};
use super::grace::Grace;
use super::grants::Grants;
use super::link::{Facts, Link};
use super::native::{self, Current, Log, Shared};
use super::network::Network;
use super::opening::Opening;
use super::patterns::{self, Slice};
use super::renewal::{Part, Prototype, Recipe, Stack};
use super::residents::Residents;
use super::slice::Tripwire;
use super::watch::Watch;
use super::{bytes_library, library, options};
use crate::source::plain;

/// Instructions between two looks at the clock.
const HOOK_EVERY: u32 = 1_000;
/// The methods Ncat calls, and the notifications.
const FUNCTIONS: [&str; 9] =
    ["connect", "accept", "recv", "send", "shutdown", "close", "init", "error", "timer"];
const RESERVED: [&str; 4] = ["super", "id", "conn", "layer"];

/// What a run's filters are made from.
pub struct Engine {
    pub(super) lua: Lua,
    pub(super) shared: Arc<Shared>,
    pub(super) entries: Table,
    pub(super) flags: Table,
    /// What the next connection gets.
    pub(super) stack: Mutex<Arc<Stack>>,
    pub(super) recipe: Recipe,
    pub(super) roll: Arc<Roll>,
}

/// The connections of an engine, and of those that were made after it.
pub(super) struct Roll {
    next_id: AtomicU64,
    /// Those that have not ended.
    pub(super) live: Mutex<BTreeMap<u64, Arc<Link>>>,
    pub(super) ended: tokio::sync::Notify,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.stack().parts.iter().map(|part| &part.prototype.name)).finish()
    }
}

pub(super) fn broken(error: &mlua::Error) -> String {
    format!("Lua cannot be started: {}", plain(error))
}

impl Engine {
    /// Loads every script. `datagrams`: the connections keep messages.
    ///
    /// # Errors
    /// A line without its end: what cannot be found, read or loaded, or is no filter.
    pub fn load(
        filters: &Filters,
        path: &SearchPath,
        datagrams: bool,
        log: Log,
        gate: Gatekeeper,
    ) -> Result<Self, String> {
        Self::load_on(Clock::real(), filters, path, datagrams, log, gate)
    }

    /// As [`Engine::load`], with a clock of its own.
    ///
    /// # Errors
    /// As there.
    pub fn load_on(
        clock: Clock,
        filters: &Filters,
        path: &SearchPath,
        datagrams: bool,
        log: Log,
        gate: Gatekeeper,
    ) -> Result<Self, String> {
        let shared = Shared { log, gate, clock, ..Shared::new(filters.limits()) };
        let engine = Self::empty(Arc::new(shared), path).map_err(|error| broken(&error))?;
        engine.with(filters, path, datagrams)
    }

    /// Loads the stack.
    pub(super) fn with(
        mut self,
        filters: &Filters,
        path: &SearchPath,
        datagrams: bool,
    ) -> Result<Self, String> {
        self.recipe = Recipe { filters: filters.clone(), path: path.clone(), datagrams };
        let mut parts = Vec::new();
        for at in 0..filters.stack.len() {
            parts.push(self.find_part(at)?);
        }
        self.set(parts)?;
        Ok(self)
    }

    /// The script of layer `at` + 1 as it is now.
    pub(super) fn find_part(&self, at: usize) -> Result<Part, String> {
        let spec = &self.recipe.filters.stack[at];
        let found = find::find(&spec.what, &self.recipe.path)?;
        if found.hides {
            let text = format!(
                "hides the filter of this name that is part of ncat: {:?}",
                found.directory
            );
            (self.shared.log)("info", &found.source.name, 0, &text);
        }
        self.permit(&found, &spec.args)?;
        self.part(at, found)
    }

    /// Runs a script that may be run, for layer `at` + 1.
    pub(super) fn part(&self, at: usize, found: Found) -> Result<Part, String> {
        let filters = &self.recipe.filters;
        let spec = &filters.stack[at];
        let name = found.source.name.clone();
        let told = |why: String| format!("Lua filter \"{name}\": {why}");
        let arguments = self.arguments(&spec.args).map_err(told)?;
        let allowed: Vec<_> = filters.allow.iter().chain(&spec.allow).cloned().collect();
        let grants = Arc::new(Grants::new(&allowed).map_err(told)?);
        self.add(at + 1, found, arguments, &grants)
    }

    /// What the next connections get.
    pub(super) fn set(&self, parts: Vec<Part>) -> Result<(), String> {
        let stack = Stack::new(&self.lua, parts).map_err(|error| broken(&error))?;
        *self.stack.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(stack);
        Ok(())
    }

    pub(super) fn stack(&self) -> Arc<Stack> {
        Arc::clone(&self.stack.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Leave to run a script.
    fn permit(&self, found: &Found, args: &[(String, Argument)]) -> Result<(), String> {
        let name = found.source.name.clone();
        let origin = found.directory.as_ref().map(|directory| directory.join(&name));
        let action = Action::LoadFilter {
            origin,
            sha256: Box::new(Sha256::digest(&found.source.text).into()),
            arguments: args.iter().map(|(key, _)| key.clone()).collect(),
            name,
        };
        match self.shared.gate.decide(action) {
            Ok(_permit) => Ok(()),
            Err(denied) => Err(format!("Denied: {denied}")),
        }
    }

    pub(super) fn empty(shared: Arc<Shared>, path: &SearchPath) -> mlua::Result<Self> {
        let lua = crate::ffi::for_filters();
        lua.set_memory_limit(shared.memory)?;
        lua.gc_set_mode(mlua::state::GcMode::Generational(Default::default()));
        let flags = lua.create_table()?;
        let native = lua.create_table()?;
        let tripwire = Tripwire { shared: Arc::clone(&shared), flags: flags.clone() };
        native.raw_set("bytes", bytes_library::make(&lua, &tripwire)?)?;
        for (name, text) in [
            ("waiting", include_str!("waiting.lua")),
            ("reader", include_str!("reader.lua")),
            ("nse", include_str!("nse.lua")),
        ] {
            native.raw_set(name, lua.load(text).set_name("=ncat").into_function()?)?;
        }
        native::add(&lua, &native, &shared)?;
        patterns::install(&lua, tripwire.clone(), shared.memory)?;
        library::add(&lua, &native, &shared)?;
        let net = lua.load(include_str!("net.lua")).set_name("=ncat");
        native.raw_set("net", net.into_function()?)?;
        let path = path.clone();
        let module =
            lua.create_function(move |lua, (dir, name, env): (Option<String>, String, Table)| {
                let dir = dir.map(std::path::PathBuf::from);
                Ok(match find::module(&name, dir.as_deref(), &path) {
                    Err(why) => (None, Some(why)),
                    Ok(source) => {
                        let chunk = lua.load(source.code()).set_name(format!("={name}"));
                        let chunk =
                            chunk.set_mode(mlua::chunk::ChunkMode::Text).set_environment(env);
                        (Some(chunk.into_function()?), None)
                    }
                })
            })?;
        native.raw_set("module", module)?;
        let prelude = lua.load(include_str!("prelude.lua")).set_name("=ncat");
        let entries: Table = prelude.call((native, flags.clone()))?;
        let triggers = HookTriggers::new().every_nth_instruction(HOOK_EVERY);
        lua.set_global_hook(triggers, move |_, _| {
            if tripwire.is_late() { Err(tripwire.trip()) } else { Ok(VmState::Continue) }
        })?;
        let roll = Roll {
            next_id: AtomicU64::new(1),
            live: Mutex::default(),
            ended: tokio::sync::Notify::new(),
        };
        let stack = Mutex::new(Arc::new(Stack::new(&lua, Vec::new())?));
        let (recipe, roll) = (Recipe::default(), Arc::new(roll));
        Ok(Self { lua, shared, entries, flags, stack, recipe, roll })
    }

    pub(super) fn arguments(&self, given: &[(String, Argument)]) -> Result<Table, String> {
        let table = self.lua.create_table().map_err(|error| plain(&error))?;
        for (key, value) in given {
            let bytes = match value {
                Argument::Text(text) => text.clone().into_bytes(),
                Argument::File(path) => {
                    let mut bytes = std::fs::read(path).map_err(|error| {
                        format!(
                            "option \"{key}\": {}: {}",
                            path.display(),
                            crate::source::words(&error)
                        )
                    })?;
                    if bytes.last() == Some(&b'\n') {
                        bytes.pop();
                    }
                    bytes
                }
            };
            let value = self.lua.create_string(bytes).map_err(|error| plain(&error))?;
            table.raw_set(&key[..], value).map_err(|error| plain(&error))?;
        }
        Ok(table)
    }

    pub(super) fn entry<T: mlua::FromLua>(&self, name: &str) -> mlua::Result<T> {
        self.entries.raw_get(name)
    }

    /// Leaves the state what its native objects do not hold, where that has changed.
    pub(super) fn limit_memory(&self) -> mlua::Result<()> {
        let (limit, held) = (self.shared.memory, self.shared.ledger.total());
        if limit > 0 && self.shared.held.swap(held, Ordering::Relaxed) != held {
            self.lua.set_memory_limit(limit.saturating_sub(held).max(1))?;
        }
        Ok(())
    }

    /// Runs `f` outside any coroutine, so that it cannot wait.
    pub(super) fn at_once<T>(
        &self,
        link: Option<&Arc<Link>>,
        slice: Duration,
        f: impl FnOnce() -> mlua::Result<T>,
    ) -> mlua::Result<T> {
        self.shared.begin(Current::new(link.cloned(), 0, Waker::noop().clone(), slice));
        let result = f();
        *self.shared.current() = None;
        result
    }

    fn add(
        &self,
        layer: usize,
        found: Found,
        arguments: Table,
        grants: &Arc<Grants>,
    ) -> Result<Part, String> {
        let file = found.source.name.clone();
        let (table, state) = self.run(layer, &found, &arguments, grants)?;
        let is_bundled = found.directory.is_none();
        let name = self.check(&file, &table, &arguments, (grants, is_bundled))?;
        self.shared.dials_anybody.fetch_or(grants.has("net"), Ordering::Relaxed);
        let named = state.raw_set("name", &name[..]);
        named.map_err(|error| self.not_loaded(&file, &error))?;
        Ok(Part { prototype: Prototype { name, file }, table, arguments, found })
    }

    /// Runs a script; the table it returned, and what its environment knows it by.
    pub(super) fn run(
        &self,
        layer: usize,
        found: &Found,
        args: &Table,
        grants: &Arc<Grants>,
    ) -> Result<(Table, Table), String> {
        let file = &found.source.name;
        let lua_error = |error: mlua::Error| self.not_loaded(file, &error);
        let state = self.lua.create_table().map_err(lua_error)?;
        let directory = found.directory.as_ref().map(|dir| dir.to_string_lossy().into_owned());
        let compile = || {
            state.raw_set("name", &file[..])?;
            state.raw_set("directory", directory)?;
            library::grant(&self.lua, &state, grants)?;
            let environment: Function = self.entry("environment")?;
            let env: Table = environment.call((layer, &state, args))?;
            let chunk = self.lua.load(found.source.code()).set_name(format!("={file}"));
            chunk.set_mode(mlua::chunk::ChunkMode::Text).set_environment(env).into_function()
        };
        let script = compile().map_err(lua_error)?;
        let load = self.shared.limits.load;
        match self.at_once(None, load, || script.call(args)).map_err(lua_error)? {
            Value::Table(table) => Ok((table, state)),
            value => {
                let kind = native::kind(&MultiValue::from_iter([value]));
                Err(format!("Lua filter \"{file}\" did not return a table (got {kind})"))
            }
        }
    }

    /// Whether a script returned a filter; its name.
    fn check(
        &self,
        file: &str,
        table: &Table,
        args: &Table,
        (grants, is_bundled): (&Grants, bool),
    ) -> Result<String, String> {
        let of = |key: &str| table.raw_get::<Value>(key).unwrap_or(Value::Nil);
        let kind = |value: &Value| native::kind(&MultiValue::from_iter([value.clone()]));
        let name = match of("name") {
            Value::String(name) => name.to_string_lossy(),
            _ => file.to_owned(),
        };
        let line = |text: String| format!("Lua filter \"{name}\"{text}");
        if let Some(key) = RESERVED.iter().find(|key| !of(key).is_nil()) {
            return Err(line(format!(": the key \"{key}\" is reserved")));
        }
        let wanted = FUNCTIONS.iter().map(|key| (*key, "function", "a function"));
        let wanted =
            wanted.chain(["name", "about", "version"].map(|key| (key, "string", "a string")));
        let tables = ["options", "needs", "modes", "tests"];
        for (key, want, words) in wanted.chain(tables.map(|key| (key, "table", "a table"))) {
            let value = of(key);
            if !value.is_nil() && value.type_name() != want {
                let got = kind(&value);
                return Err(line(format!(": \"{key}\" must be {words} (got {got})")));
            }
        }
        if let Value::Table(needs) = of("needs") {
            let needs: Vec<String> = needs.sequence_values().filter_map(Result::ok).collect();
            grants.check(&needs, is_bundled).map_err(line)?;
            if self.recipe.filters.isolates && needs.iter().any(|need| need == "shared") {
                return Err(line(" needs \"shared\", which --lua-isolate takes from it".into()));
            }
        }
        if let (true, Value::Table(modes)) = (self.recipe.datagrams, of("modes"))
            && matches!(modes.raw_get("datagram"), Ok(Value::Boolean(false)))
        {
            return Err(line(" works on streams only and cannot be used with --udp".into()));
        }
        if let Value::Table(declared) = of("options") {
            let converted = options::convert(&self.lua, args, &declared);
            grants.add_files(converted.map_err(|why| line(format!(": {why}")))?);
        }
        Ok(name)
    }

    /// What a script said when it was loaded, in one line.
    fn not_loaded(&self, file: &str, error: &mlua::Error) -> String {
        let _ = self.flags.raw_set("tripped", Value::Nil);
        let text = plain(error);
        let first = text.split("\nstack traceback:").next().unwrap_or(&text);
        if first.contains("attempt to yield from outside a coroutine") {
            return format!("Lua filter \"{file}\" tried to wait while loading");
        }
        let own = first.strip_prefix(file).and_then(|rest| rest.strip_prefix(':'));
        format!("Lua filter \"{file}\": {}", own.unwrap_or(first).trim())
    }

    /// Has connections of filters' own made by `network`, from now on.
    pub fn attach(&self, network: Arc<dyn Network>) {
        let _ = self.shared.network.set(network);
    }

    fn link(&self, facts: Facts, shape: Shape, conn: Option<Conn>) -> Arc<Link> {
        let id = self.roll.next_id.fetch_add(1, Ordering::Relaxed);
        let stack = self.stack();
        let top = Origin {
            layer: stack.parts.len(),
            filter: stack.parts.last().map(|top| top.prototype.name.clone()),
            method: "",
        };
        let link = Arc::new(Link { top, ..Link::new(id, facts, shape, conn) });
        link.lock().grace = Grace::new(self.shared.clock.clone());
        let mut live = self.roll.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.insert(id, Arc::clone(&link));
        link
    }

    /// Puts the filters around a connection that was accepted.
    pub fn wrap(self: &Arc<Self>, conn: Conn, facts: Facts) -> (Conn, Driver) {
        let (info, shape, chunk_max) = (conn.info.clone(), conn.shape, conn.chunk_max);
        let link = self.link(facts, shape, Some(conn));
        let driver = Driver::new(Arc::clone(self), Arc::clone(&link));
        let mut top = Conn::from_duplex(info, shape, Box::new(Top(link)));
        top.chunk_max = chunk_max;
        (top, driver)
    }

    /// Begins a connection that the filters will have dialled.
    pub fn open(self: &Arc<Self>, facts: Facts, shape: Shape) -> (Opening, Driver) {
        let link = self.link(facts, shape, None);
        (Opening::new(Arc::clone(&link)), Driver::new(Arc::clone(self), link))
    }

    /// What runs that belongs to no connection; to be run once, beside everything else.
    pub fn residents(self: &Arc<Self>) -> Residents {
        Residents::new(Arc::clone(self))
    }

    /// What sees when Lua does not come back; `None` where nothing limits how long it runs.
    pub fn watch(&self) -> Option<Watch> {
        let stack = self.stack();
        let top = stack.parts.last().map_or_else(String::new, |top| top.prototype.name.clone());
        Watch::new(Arc::clone(&self.shared), top)
    }

    /// Waits until every connection's filters have ended.
    pub async fn ended(&self) {
        loop {
            let notified = self.roll.ended.notified();
            if self.roll.live.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
                return;
            }
            notified.await;
        }
    }

    /// The layer and name of the prototype whose file a message of Lua's begins with, and the rest of it.
    pub(super) fn blamed<'a>(&self, text: &'a str) -> Option<(usize, String, &'a str)> {
        self.stack().parts.iter().enumerate().rev().find_map(|(at, part)| {
            let rest = text.strip_prefix(&part.prototype.file[..])?.strip_prefix(':')?;
            Some((at + 1, part.prototype.name.clone(), rest))
        })
    }

    /// Has the filters of every connection say good-bye: the program ends.
    pub fn exit(&self) {
        let live = self.roll.live.lock().unwrap_or_else(PoisonError::into_inner);
        for link in live.values() {
            link.lock().exits = true;
            link.driver.ring();
        }
    }

    /// The instances of one connection.
    pub(super) fn instances(&self, link: &Arc<Link>, facts: Table) -> mlua::Result<(Value, Table)> {
        let handle = self.lua.create_userdata(native::Handle(Arc::clone(link)))?;
        let handle = Value::UserData(handle);
        let make: Function = self.entry("make")?;
        let stack = self.stack();
        let all = make.call((handle.clone(), link.id, facts, &stack.tables, &stack.arguments))?;
        Ok((handle, all))
    }
}
