//! `init`: everything that is needed, in one command. Each step leaves alone what is there, so that an
//! interrupted run is finished by the next.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use audit::json::Json;
use audit::{Draft, Log, Signer};
use clap::ArgMatches;
use serde_json::json;

use crate::exit::{Done, Exit, Failure};
use crate::out::Out;
use crate::record::disk;
use crate::site::Site;
use crate::store::Store;
use crate::{record, rules_of};

const STATE: &str = "/var/lib/ncat-guard";
const AUTHORIZED: &str =
    "# Networks that may be tested and scanned: one a line, then key=value words.
#   10.1.2.0/24 until=2027-01-31 ports=80,443 rate=50/s owner=net-team ticket=CHG001234
#   name:dmz
";

pub(crate) fn run(matches: &ArgMatches, args: &ArgMatches, out: &Out) -> Done {
    let file = matches.get_one::<PathBuf>("config").cloned();
    let file = file.unwrap_or_else(|| Path::new(config::DIR).join("config.yaml"));
    let file = std::path::absolute(&file).map_err(|error| Failure::file(&file, error))?;
    let dir = file.parent().unwrap_or(Path::new("/")).to_owned();
    make_dir(&dir, 0o755)?;
    let made_config = put(&file, &configuration(args, &dir)?, 0o644)?;
    let site = Site::load(matches)?;
    if let Some(why) = already(&site) {
        return Err(Failure::usage(why).line("nothing was changed"));
    }
    let key = make_key(&site)?;
    make_log(&site, key)?;
    put(&site.path("network_policies.authorized_networks_file"), AUTHORIZED, 0o644)?;
    make_dir(&site.rules_dir(), 0o755)?;
    let mut store = make_store(&site)?;
    let mut recorder = site.recorder()?;
    let public = recorder.log().keys().newest().to_string();
    let mut draft = Draft::of("key.create");
    draft.x = vec![("key".into(), Json::from(public.as_str()))];
    recorder.record(&site, &store, draft)?;
    rules_of_first(&site, &mut store, &recorder)?;
    recorder.sequence()?;
    recorder.log().stable()?;
    let keys = recorder.log().keys().to_string();
    put(&dir.join("keys.txt"), &keys, 0o644)?;
    store.set_meta("initialised", &site.now.to_string())?;
    told(&site, &file, made_config, &public, out);
    Ok(Exit::Done)
}

/// The commented configuration with what was said on the command line in it.
fn configuration(args: &ArgMatches, dir: &Path) -> Done<String> {
    let state = args.get_one::<PathBuf>("state").cloned().unwrap_or_else(|| STATE.into());
    let state = std::path::absolute(&state).map_err(|error| Failure::file(&state, error))?;
    let text = |path: &Path| {
        let plain = path
            .to_str()
            .filter(|path| path.chars().all(|c| c.is_alphanumeric() || "/._-@+~".contains(c)));
        let why = || {
            Failure::usage(format!(
                "{}: a directory with other characters than / . _ - @ + ~, letters and digits",
                path.display()
            ))
        };
        plain.map(str::to_owned).ok_or_else(why)
    };
    let (state, dir) = (text(&state)?, text(dir)?);
    let quoted = |name: &str, default: &str| {
        let given = args.get_one::<String>(name).map_or(default, String::as_str);
        serde_json::Value::from(given).to_string()
    };
    let organisation = format!(
        "organisation: {{name: {}, origin: {}}}",
        quoted("organisation", "Example Ltd"),
        quoted("origin", "guard.example.com/log")
    );
    let default = r#"organisation: {name: "Example Ltd", origin: "guard.example.com/log"}"#;
    debug_assert!(config::DEFAULTS.contains(default), "the line that is replaced");
    Ok(config::DEFAULTS
        .replace(default, &organisation)
        .replace(STATE, &state)
        .replace(config::DIR, &dir))
}

fn already(site: &Site) -> Option<String> {
    let path = site.path("database_path");
    let store = path.exists().then(|| Store::open(&path).ok()).flatten()?;
    let done = store.meta("initialised").ok().flatten()?;
    let at = decision::time::format(done.parse().unwrap_or(0));
    Some(format!("{}: initialised already, at {at}", path.display()))
}

fn make_key(site: &Site) -> Done<Signer> {
    let path = site.path("audit.signing_key_file");
    if let Some(dir) = path.parent() {
        make_dir(dir, 0o700)?;
    }
    if !path.exists() {
        let key = Signer::generate(site.origin())?;
        put(&path, &format!("{}\n", key.to_secret()), 0o600)?;
    }
    let key = record::signer(site)?;
    if key.verifier().name() != site.origin() {
        let what = format!("{}: a key of the log {}", path.display(), key.verifier().name());
        return Err(Failure::usage(what).line(format!("organisation.origin is {}", site.origin())));
    }
    Ok(key)
}

fn make_log(site: &Site, key: Signer) -> Done<()> {
    let dir = site.log_dir();
    for dir in [dir.parent(), Some(&dir), site.path("audit.journal_dir").as_path().into()] {
        make_dir(dir.unwrap_or(Path::new("/")), 0o700)?;
    }
    if !dir.join("checkpoint").exists() {
        Log::create(disk(), &dir, &site.high_water(), key)?;
    }
    Ok(())
}

fn make_store(site: &Site) -> Done<Store> {
    let path = site.path("database_path");
    if let Some(dir) = path.parent() {
        make_dir(dir, 0o700)?;
    }
    // Made with its mode first: SQLite would take the umask's.
    put(&path, "", 0o600)?;
    let store = Store::open(&path)?;
    store.ensure_principal(&site.user.name, "host", site.now)?;
    Ok(store)
}

fn rules_of_first(site: &Site, store: &mut Store, recorder: &record::Recorder) -> Done<()> {
    if store.active_policy()?.is_some() {
        return Ok(());
    }
    let bundle = rules_of::draft(site)?;
    rules_of::compiled(bundle.clone())?;
    let version = store.next_policy()?;
    for kind in ["policy.store", "policy.activate"] {
        let mut draft = Draft::of(kind);
        draft.x = vec![("version".into(), version.into())];
        recorder.record(site, store, draft)?;
    }
    store.activate(version, &bundle, &site.user.name, site.now, "made by init")
}

fn told(site: &Site, file: &Path, made: bool, public: &str, out: &Out) {
    let state = site.path("database_path");
    out.document(
        "init",
        json!({
            "config": file.display().to_string(),
            "database": state.display().to_string(),
            "log": site.log_dir().display().to_string(),
            "key": public,
        }),
    );
    let was = if made { "" } else { " (was there)" };
    out.line(format!("configuration  {}{was}", file.display()));
    out.line(format!("database       {}", state.display()));
    out.line(format!("audit log      {}", site.log_dir().display()));
    out.line(
        "the log's public key, to be kept elsewhere (also in keys.txt beside the configuration):",
    );
    out.line(format!("  0- {public}"));
    out.line(
        "next: ncat-guard config check; ncat-guard policy explain connect $USER 10.1.2.3:443 --tls",
    );
}

fn make_dir(path: &Path, mode: u32) -> Done<()> {
    if path.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, mode);
    #[cfg(not(unix))]
    let _ = mode;
    builder.create(path).map_err(|error| Failure::file(path, error))
}

/// Makes a file; false if there is one.
fn put(path: &Path, text: &str, mode: u32) -> Done<bool> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let mut file = match options.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
        Err(error) => return Err(Failure::file(path, error)),
    };
    let done = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    done.map_err(|error| Failure::file(path, error))?;
    Ok(true)
}
