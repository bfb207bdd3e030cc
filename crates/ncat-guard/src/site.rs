//! What is configured and stored here.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::ArgMatches;
use config::{Config, Problem, Sources};

use crate::exit::{Done, Failure};
use crate::record::Recorder;
use crate::store::Store;
use crate::user::{self, User};

/// The configuration, and who asks, and when.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) config: Config,
    pub(crate) user: User,
    /// Microseconds since 1970-01-01 UTC.
    pub(crate) now: i64,
}

/// What the command line and the environment say about the configuration.
pub(crate) fn sources(matches: &ArgMatches) -> Sources {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    Sources {
        file: matches.get_one::<PathBuf>("config").cloned(),
        environment: std::env::vars_os().filter_map(text).collect(),
        sets: matches.get_many::<String>("set").unwrap_or_default().cloned().collect(),
    }
}

/// The mistakes of a configuration, as a failure.
pub(crate) fn refused(problems: &[Problem]) -> Failure {
    let count = problems.len();
    let what = if count == 1 { "1 mistake".to_owned() } else { format!("{count} mistakes") };
    let lines = problems.iter().map(ToString::to_string).collect();
    Failure { lines, ..Failure::usage(format!("the configuration has {what}")) }
}

/// The moment.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

impl Site {
    /// Reads the configuration.
    pub(crate) fn load(matches: &ArgMatches) -> Done<Self> {
        let config = config::load(&sources(matches)).map_err(|problems| refused(&problems))?;
        Ok(Self { config, user: user::current(), now: now() })
    }

    pub(crate) fn path(&self, key: &str) -> PathBuf {
        self.config.file(key).unwrap_or(Path::new("/nonexistent")).to_owned()
    }

    pub(crate) fn log_dir(&self) -> PathBuf {
        self.path("audit.log_dir")
    }

    /// Beside the log, not in it: a restored log must not bring its own.
    pub(crate) fn high_water(&self) -> PathBuf {
        let mut name = self.log_dir().into_os_string();
        name.push(".high-water");
        name.into()
    }

    pub(crate) fn origin(&self) -> &str {
        self.config.text("organisation.origin").unwrap_or_default()
    }

    /// Where hand-written rules are.
    pub(crate) fn rules_dir(&self) -> PathBuf {
        self.config.dir.join("policies")
    }

    /// The database; fails when there is none yet.
    pub(crate) fn store(&self) -> Done<Store> {
        let path = self.path("database_path");
        if !path.exists() {
            return Err(Failure::usage(format!("{}: there is no database", path.display()))
                .hint("ncat-guard init makes everything that is needed"));
        }
        Store::open(&path)
    }

    /// Journal and log, open for writing.
    pub(crate) fn recorder(&self) -> Done<Recorder> {
        Recorder::open(self)
    }
}
