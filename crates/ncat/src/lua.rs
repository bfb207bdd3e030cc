//! Lua: what is read before anything is opened, and the process that is a program of `--lua-exec`.

mod apart;
mod filters;
mod network;

use std::path::Path;
use std::sync::Arc;

use conn::Conn;
use endpoint::OpenError;
use gate::Gatekeeper;
use lua::filter::{Engine, Fault};
use lua::{SOURCE_MAX, Source};
use plan::lua::SCRIPT_DESCRIPTOR;
use plan::{Connect, Mode, Plan};

use crate::connect::Opened;
use crate::exit::Exit;
use crate::run::Context;
use crate::talk;

/// The scripts of a run, read.
#[derive(Clone)]
pub(crate) struct Lua {
    script: Option<Arc<Source>>,
    engine: Option<Arc<Engine>>,
}

impl Lua {
    /// Reads the plan's scripts, once; nothing has been opened yet.
    ///
    /// # Errors
    /// Lines for standard error, without a prefix.
    pub(crate) fn prepare(plan: &Plan, gate: &Gatekeeper) -> Result<Self, String> {
        let path = plan.exec.as_ref().and_then(|exec| exec.script.as_deref());
        let script = match path {
            None => None,
            Some(path) => Some(Arc::new(read(path).map_err(not_loaded)?)),
        };
        let engine = filters::load(plan, gate).map_err(|line| format!("{line}. QUITTING."))?;
        Ok(Self { script, engine })
    }

    /// Has the filters' own connections made by this run.
    pub(crate) fn attach(&self, context: &Arc<Context>) {
        if let Some(engine) = &self.engine {
            network::attach(engine, context);
        }
    }

    /// Whether there are filters.
    pub(crate) fn filters(&self) -> bool {
        self.engine.is_some()
    }

    /// Puts the filters around a connection, unless they have made it.
    pub(crate) fn wrap(&self, plan: &Plan, remote: Conn) -> Conn {
        match &self.engine {
            Some(engine) if matches!(plan.mode, Mode::Listen(_)) => {
                filters::wrap(engine, plan, remote)
            }
            _ => remote,
        }
    }

    /// Connects by way of the filters; `None` without any.
    pub(crate) async fn connect(
        &self,
        context: &Context,
        spec: &Connect,
    ) -> Option<Result<Opened, OpenError>> {
        match &self.engine {
            Some(engine) => Some(filters::connect(engine, context, spec).await),
            None => None,
        }
    }

    /// Runs beside everything else what belongs to no connection.
    pub(crate) fn begin(&self, plan: &Plan) {
        if let Some(engine) = &self.engine {
            filters::begin(engine, plan);
        }
    }

    /// SIGHUP has filters loaded anew, where that is wanted, and then does not end the program.
    pub(crate) fn renewal(&self, plan: &Plan) -> Option<Box<dyn Fn() + Send>> {
        let reloads = plan.filters.as_ref().is_some_and(|filters| filters.reloads);
        // Whoever reloads waits for the signal too.
        reloads.then(|| Box::new(|| {}) as Box<_>)
    }

    /// Waits until the filters have said good-bye.
    pub(crate) async fn ended(&self, plan: &Plan, is_signal: bool) {
        if let Some(engine) = &self.engine {
            filters::ended(engine, plan, is_signal).await;
        }
    }

    /// The text of the program that takes the place of standard input and output.
    #[cfg_attr(
        not(all(feature = "exec", any(target_os = "linux", target_os = "android"))),
        expect(dead_code, reason = "there are no commands")
    )]
    pub(crate) fn script(&self) -> &[u8] {
        self.script.as_ref().map_or(&[], |script| &script.text)
    }
}

fn read(path: &Path) -> Result<Source, lua::SourceError> {
    let source = Source::read(path, SOURCE_MAX)?;
    source.check()?;
    Ok(source)
}

fn not_loaded(error: lua::SourceError) -> String {
    format!("Error loading the Lua script: {error}. QUITTING.")
}

/// Is the program that runs `path`: its text is in descriptor 3 when we were started for it, else in the
/// file.
pub(crate) fn run(path: &Path, operands: &[String]) -> Exit {
    let from = operands.first().map(|word| word.parse::<u32>());
    let source = match from {
        None => read(path),
        Some(Ok(SCRIPT_DESCRIPTOR)) => handed(path),
        Some(_) => {
            talk::put("Ncat: --lua-exec-internal takes a script and no operands. QUITTING.\n");
            return Exit::Local;
        }
    };
    // A program that writes to nobody ends, as every other does.
    #[cfg(unix)]
    sys::signal::end_on_broken_pipe();
    let memory = sys::memory::available().map(|bytes| bytes - bytes / 16);
    let done = source.map_err(not_loaded).and_then(|source| {
        lua::program::run(&source, memory)
            .map_err(|said| format!("Error running the Lua script: {said}. QUITTING."))
    });
    match done {
        Ok(()) => Exit::Done,
        Err(line) => {
            talk::put(&format!("Ncat: {line}\n"));
            Exit::Local
        }
    }
}

pub(crate) use filters::{check, help, list};

/// A filter's fault behind an error of a session: its line, and where in the script.
pub(crate) fn fault(error: &std::io::Error) -> Option<(&str, &str)> {
    Fault::within(error).map(|fault| (&fault.line[..], &fault.traceback[..]))
}

/// The text that whoever started us has read and checked.
#[cfg(unix)]
fn handed(path: &Path) -> Result<Source, lua::SourceError> {
    use std::os::unix::fs::FileExt;
    let failed = |error| lua::SourceError::Read(path.to_owned(), error);
    let file = sys::inherit::take_descriptor(SCRIPT_DESCRIPTOR).map_err(failed)?;
    let file = std::fs::File::from(file);
    // All programs of a listener share the place from which an ordinary read goes on.
    let mut text = vec![0; usize::try_from(file.metadata().map_err(failed)?.len()).unwrap_or(0)];
    file.read_exact_at(&mut text, 0).map_err(failed)?;
    Ok(Source { name: path.to_string_lossy().into_owned(), text })
}

#[cfg(not(unix))]
fn handed(path: &Path) -> Result<Source, lua::SourceError> {
    read(path)
}
