//! The scripts of an engine, and making them anew: for whoever comes after they have changed
//! (`--lua-reload`), and in a state of its own for each connection (`--lua-isolate`).

use std::sync::Arc;
use std::time::SystemTime;

use mlua::{Lua, Table};
use plan::Filters;

use super::engine::{Engine, broken};
use super::find::{Found, SearchPath};
use super::native::Shared;

/// What a stack is made from.
#[derive(Default)]
pub(super) struct Recipe {
    pub(super) filters: Filters,
    pub(super) path: SearchPath,
    /// The connections keep messages.
    pub(super) datagrams: bool,
}

/// What messages call a script that was loaded.
pub(super) struct Prototype {
    /// As our own have it.
    pub(super) name: String,
    /// As Lua's have it.
    pub(super) file: String,
}

/// A script that was loaded: what connections get an instance of.
pub(super) struct Part {
    pub(super) prototype: Prototype,
    pub(super) table: Table,
    pub(super) arguments: Table,
    pub(super) found: Found,
}

/// All of them, the one next to the wire first.
pub(super) struct Stack {
    pub(super) parts: Vec<Part>,
    /// What each returned, as scripts count.
    pub(super) tables: Table,
    pub(super) arguments: Table,
}

impl Stack {
    pub(super) fn new(lua: &Lua, parts: Vec<Part>) -> mlua::Result<Self> {
        let tables = lua.create_sequence_from(parts.iter().map(|part| &part.table))?;
        let arguments = lua.create_sequence_from(parts.iter().map(|part| &part.arguments))?;
        Ok(Self { parts, tables, arguments })
    }
}

/// How a file was when it was last looked at; `None`: it was not there, or part of the program.
type Stamp = Option<(SystemTime, u64)>;

/// Looks for scripts that have changed.
#[derive(Debug)]
pub struct Reload {
    engine: Arc<Engine>,
    stamps: Vec<Stamp>,
}

impl Reload {
    /// Takes the scripts as they are now for those that were loaded.
    pub fn new(engine: Arc<Engine>) -> Self {
        let stamps = stamps(&engine);
        Self { engine, stamps }
    }

    /// Loads those that have changed since, or all; connections that come from now on get them. Of each
    /// its name, and why it is as it was.
    pub fn look(&mut self, all: bool) -> Vec<(String, Result<(), String>)> {
        let now = stamps(&self.engine);
        let before = std::mem::replace(&mut self.stamps, now);
        let changed = |at: &usize| all || before[*at] != self.stamps[*at];
        let changed: Vec<usize> = (0..before.len()).filter(changed).collect();
        changed.into_iter().filter_map(|at| self.engine.reload(at)).collect()
    }
}

fn stamps(engine: &Engine) -> Vec<Stamp> {
    let stack = engine.stack();
    let stamp = |found: &Found| {
        let path = found.directory.as_ref()?.join(&found.source.name);
        let about = std::fs::metadata(path).ok()?;
        Some((about.modified().ok()?, about.len()))
    };
    stack.parts.iter().map(|part| stamp(&part.found)).collect()
}

impl Engine {
    /// Loads the script of layer `at` + 1 anew; `None` where it is part of the program.
    fn reload(&self, at: usize) -> Option<(String, Result<(), String>)> {
        let before = self.stack();
        let old = &before.parts[at];
        old.found.directory.as_ref()?;
        let loaded = self.find_part(at).and_then(|part| {
            let mut parts: Vec<Part> = before.parts.iter().map(Part::again).collect();
            parts[at] = part;
            self.set(parts)
        });
        Some((old.prototype.name.clone(), loaded))
    }

    /// An engine with the same scripts and a state of its own, for one connection.
    ///
    /// # Errors
    /// A line without its end.
    pub fn isolated(self: &Arc<Self>) -> Result<Arc<Self>, String> {
        let first = Arc::clone(&self.shared);
        let own = Shared {
            log: Box::new(move |level, name, id, text| (first.log)(level, name, id, text)),
            gate: self.shared.gate.clone(),
            clock: self.shared.clock.clone(),
            ..Shared::new(self.shared.limits)
        };
        let mut engine =
            Self::empty(Arc::new(own), &self.recipe.path).map_err(|error| broken(&error))?;
        let Recipe { filters, path, datagrams } = &self.recipe;
        let (filters, path) = (filters.clone(), path.clone());
        engine.recipe = Recipe { filters, path, datagrams: *datagrams };
        engine.roll = Arc::clone(&self.roll);
        if let Some(network) = self.shared.network.get() {
            engine.attach(Arc::clone(network));
        }
        let stack = self.stack();
        let parts = stack.parts.iter().enumerate();
        let parts = parts.map(|(at, part)| engine.part(at, part.found.clone()));
        engine.set(parts.collect::<Result<_, _>>()?)?;
        Ok(Arc::new(engine))
    }
}

impl Part {
    /// The same, in another stack.
    fn again(&self) -> Self {
        let Prototype { name, file } = &self.prototype;
        Self {
            prototype: Prototype { name: name.clone(), file: file.clone() },
            table: self.table.clone(),
            arguments: self.arguments.clone(),
            found: self.found.clone(),
        }
    }
}
