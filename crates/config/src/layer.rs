//! The layers: each document walked along the table of keys, its values put over those of the layers below.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::schema::{self, Key, Kind};
use crate::value::Value;
use crate::yaml::{self, Body, Node};
use crate::{Config, DEFAULTS, DIR, Origin, Problem, Setting, environment, file, judge, read};

/// What a configuration is made from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file, if it was named; then `conf.d` is beside it, and it must be there.
    pub file: Option<PathBuf>,
    /// The environment: names and values.
    pub environment: Vec<(String, String)>,
    /// From the command line: `KEY=VALUE`.
    pub sets: Vec<String>,
}

/// Names in a map are at most this long, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// Reads the layers and judges the result.
///
/// # Errors
/// Every mistake found.
pub fn load(sources: &Sources) -> Result<Config, Vec<Problem>> {
    let mut builder = Builder::default();
    let (dir, named) = place(sources);
    builder.defaults(&dir, &named);
    let path = sources.file.clone().unwrap_or_else(|| dir.join("config.yaml"));
    builder.file(&path, sources.file.is_some());
    for path in builder.fragments(&dir.join("conf.d")) {
        builder.file(&path, true);
    }
    for (name, path, text) in environment::settings(&sources.environment, &mut builder.problems) {
        builder.text(&path, &text, Origin::Environment(name));
    }
    for set in &sources.sets {
        let origin = Origin::CommandLine(format!("--set {set}"));
        match set.split_once('=') {
            Some((path, text)) => builder.text(path, text, origin),
            None => builder.problem(&origin, "", "not KEY=VALUE"),
        }
    }
    builder.finish(dir)
}

/// The directory, and what named it.
fn place(sources: &Sources) -> (PathBuf, Origin) {
    if let Some(file) = &sources.file {
        let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty());
        let dir = dir.map_or_else(|| PathBuf::from("."), Path::to_owned);
        return (dir, Origin::CommandLine("--config".into()));
    }
    let named = sources.environment.iter().find(|(name, _)| name == environment::CONFIG_DIR);
    match named {
        Some((name, dir)) => (dir.into(), Origin::Environment(name.clone())),
        None => (DIR.into(), Origin::Default),
    }
}

#[derive(Default)]
pub(crate) struct Builder {
    pub(crate) settings: BTreeMap<String, Setting>,
    pub(crate) problems: Vec<Problem>,
}

impl Builder {
    fn problem(&mut self, origin: &Origin, path: &str, text: impl Into<String>) {
        let (origin, path) = (origin.clone(), path.to_owned());
        self.problems.push(Problem { origin, path, text: text.into() });
    }

    fn defaults(&mut self, dir: &Path, named: &Origin) {
        match yaml::parse(DEFAULTS) {
            Ok(node) => self.walk("", &node, &|_| Origin::Default),
            Err(refused) => self.problem(&Origin::Default, "", refused.why),
        }
        if *named != Origin::Default {
            let list = dir.join("authorized-networks.txt");
            let list = std::path::absolute(&list).unwrap_or(list);
            let value = Value::Text(list.to_string_lossy().into_owned());
            let setting = Setting { value, origin: named.clone() };
            self.settings.insert("network_policies.authorized_networks_file".into(), setting);
        }
    }

    fn file(&mut self, path: &Path, needed: bool) {
        let at = |line| Origin::File { path: path.to_owned(), line };
        let text = match file::read(path) {
            Ok(text) => text,
            Err(file::Failure::Absent) if !needed => return,
            Err(failure) => return self.problem(&at(0), "", failure.to_string()),
        };
        match yaml::parse(&text) {
            Ok(node) => self.walk("", &node, &at),
            Err(refused) => self.problem(&at(refused.line), "", refused.why),
        }
    }

    /// `*.yaml` in a directory, by name; none if it is not there.
    fn fragments(&mut self, dir: &Path) -> Vec<PathBuf> {
        let entries = match std::fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                self.problem(&Origin::File { path: dir.into(), line: 0 }, "", error.to_string());
                return Vec::new();
            }
        };
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let mut paths: Vec<PathBuf> =
            paths.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
        paths.sort();
        paths
    }

    /// A value from outside files: YAML if it begins as a list or section, else a text or a comma list.
    fn text(&mut self, path: &str, text: &str, origin: Origin) {
        let kind = schema::find(path).map(|key| key.kind);
        let node = if text.starts_with(['[', '{']) {
            match yaml::parse(text) {
                Ok(node) => node,
                Err(refused) => return self.problem(&origin, path, refused.why),
            }
        } else {
            let lists =
                matches!(kind, Some(Kind::Words(_) | Kind::Texts | Kind::Nets | Kind::Ports));
            let lists = lists || matches!(kind, Some(Kind::NetsOrAuto)) && text != "auto";
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            match lists {
                true => Node { line: 0, body: Body::List(items.map(Node::plain).collect()) },
                false => Node::plain(text),
            }
        };
        if path == environment::DATABASE_URL || path == environment::REDIS_URL {
            let value = Value::Secret(text.to_owned());
            self.settings.insert(path.to_owned(), Setting { value, origin });
            return;
        }
        self.place(path, &node, &|_| origin.clone());
    }

    /// A map of keys at a path.
    fn walk(&mut self, path: &str, node: &Node, at: &dyn Fn(usize) -> Origin) {
        let Body::Map(members) = &node.body else {
            let text = if path.is_empty() {
                "not a map of keys"
            } else {
                "is a section: KEY: VALUE below it"
            };
            return self.problem(&at(node.line), path, text);
        };
        for (key, member) in members {
            let path =
                if path.is_empty() { key.text.clone() } else { format!("{path}.{}", key.text) };
            // An unknown key is reported where it stands, not where its value begins.
            if is_known(&path) && !key.text.contains('.') {
                self.place(&path, member, at);
            } else {
                self.problem(&at(key.line), &path, unknown(&path));
            }
        }
    }

    /// A value at a path.
    fn place(&mut self, path: &str, node: &Node, at: &dyn Fn(usize) -> Origin) {
        let Some(key) = schema::find(path) else {
            if !is_known(path) {
                return self.problem(&at(node.line), path, unknown(path));
            }
            return self.walk(path, node, at);
        };
        match key.kind {
            Kind::Map | Kind::List | Kind::Section => self.holder(key, path, node, at),
            _ if node.is_null() && key.optional => self.put(path, Value::Null, at(node.line)),
            _ if node.is_null() => self.problem(&at(node.line), path, "has no value"),
            _ => match read::value(key.kind, node) {
                Ok(value) => self.put(path, value, at(node.line)),
                Err(text) => self.problem(&at(node.line), path, text),
            },
        }
    }

    fn put(&mut self, path: &str, value: Value, origin: Origin) {
        self.settings.insert(path.to_owned(), Setting { value, origin });
    }

    /// A map whose members add up over the layers, or a list, of which the last counts.
    fn holder(&mut self, key: &Key, path: &str, node: &Node, at: &dyn Fn(usize) -> Origin) {
        let below = format!("{path}.");
        if key.kind != Kind::Map || node.is_null() {
            self.settings.retain(|known, _| !known.starts_with(&below));
        }
        match (key.kind, &node.body) {
            (Kind::Section, _) if node.is_null() => self.put(path, Value::Null, at(node.line)),
            (Kind::List, Body::List(items)) => {
                self.put(path, Value::Holder(items.len()), at(node.line));
                for (place, item) in items.iter().enumerate() {
                    self.walk(&format!("{path}.{place:03}"), item, at);
                }
            }
            (Kind::List, _) => self.problem(&at(node.line), path, "takes a list of sections"),
            (_, Body::Map(members)) => {
                let wrong = members.iter().find(|(name, _)| !is_name(&name.text));
                if let (Kind::Map, Some((name, _))) = (key.kind, wrong) {
                    let text = format!("{:?} is not a name: letters, digits, _ and -", name.text);
                    return self.problem(&at(name.line), path, text);
                }
                self.put(path, Value::Holder(members.len()), at(node.line));
                self.walk(path, node, at);
                let names = self.settings.keys().filter_map(|known| known.strip_prefix(&below));
                let mut names: Vec<&str> =
                    names.filter_map(|name| name.split('.').next()).collect();
                names.dedup();
                let count = names.len();
                self.put(path, Value::Holder(count), at(node.line));
            }
            _ => self.problem(&at(node.line), path, "is a section: KEY: VALUE below it"),
        }
    }

    fn finish(mut self, dir: PathBuf) -> Result<Config, Vec<Problem>> {
        let warnings = judge::whole(&mut self);
        if self.problems.is_empty() {
            Ok(Config { settings: self.settings, warnings, dir })
        } else {
            Err(self.problems)
        }
    }
}

fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.bytes().all(plain)
}

/// A key, or a section that has keys.
fn is_known(path: &str) -> bool {
    schema::find(path).is_some() || !schema::children(path).is_empty()
}

/// What to say of a key that there is not.
fn unknown(path: &str) -> String {
    if path == environment::DATABASE_URL || path == environment::REDIS_URL {
        return format!("secrets come from files only; write {path}_file");
    }
    let (above, name) = path.rsplit_once('.').unwrap_or(("", path));
    let beside = schema::children(above);
    if let Some(near) = read::near(name, beside.iter().copied().filter(|name| *name != "*")) {
        return format!("unknown key; {near} is meant?");
    }
    let elsewhere = schema::KEYS.iter().find(|key| key.path.rsplit('.').next() == Some(name));
    match elsewhere {
        Some(key) => format!("unknown key here; {} is meant?", key.path),
        None if beside.is_empty() => "unknown key".to_owned(),
        None => format!("unknown key; here are {}", beside.join(", ")),
    }
}
