//! Recording: a record is durable in the journal before what it is about is done, and then gets its place in
//! the log. Journal and log are open for the length of one command.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use audit::json::Json;
use audit::{
    Clock, Disk, Draft, Error, Hash, Journal, JournalOptions, Leaf, Log, RealDisk, Receipt, Signer,
    Stamp,
};

use config::{Origin, Setting};

use crate::diff::diff;
use crate::exit::{Done, Exit, Failure};
use crate::site::{Site, now};
use crate::store::Store;

/// How long one command waits for another that has journal or log open.
const BUSY: Duration = Duration::from_secs(10);
/// Bytes of records taken from the journal at a time.
const BATCH_BYTES: usize = 4 << 20;
/// The configuration at the last record, in the database.
const CONFIGURATION: &str = "configuration";
/// The source that this host's commands write as.
pub(crate) const SOURCE: &str = "guard";

/// Journal and log, open for writing.
pub(crate) struct Recorder {
    journal: Journal,
    log: Log,
}

impl Recorder {
    /// Opens both and brings the log up to the journal.
    pub(crate) fn open(site: &Site) -> Done<Self> {
        let log = waiting(|| {
            let signer = signer(site).map_err(|failure| Error::Refused(failure.what))?;
            Log::open(disk(), &site.log_dir(), &site.high_water(), signer)
        });
        let log = log.map_err(|error| match error {
            Error::Rollback { .. } => Failure::from(error)
                .hint("a restored backup of the log looks like this; nothing is written before that is settled"),
            other => Failure::from(other),
        })?;
        let journal = open_journal(site)?;
        let mut recorder = Self { journal, log };
        recorder.sequence()?;
        Ok(recorder)
    }

    /// Records something done by the user of this command; returns when it is durable.
    pub(crate) fn record(&self, site: &Site, store: &Store, draft: Draft) -> Done<Receipt> {
        self.note_configuration(site, store)?;
        self.append(site, store, draft)
    }

    /// A configuration that is another than at the last record is recorded first, with what changed. What
    /// one command was told by `--set` is its own and no change.
    fn note_configuration(&self, site: &Site, store: &Store) -> Done<()> {
        let own = |origin: &Origin| matches!(origin, Origin::CommandLine(option) if option.starts_with("--set"));
        let settings = site.config.list();
        if settings.iter().any(|(_, setting)| own(&setting.origin)) {
            return Ok(());
        }
        // Secrets write themselves as <set>.
        let line = |(path, setting): &(&str, &Setting)| format!("{path}: {}\n", setting.value);
        let text: String = settings.iter().map(line).collect();
        let before = store.meta(CONFIGURATION)?;
        if before.as_deref() == Some(&text) {
            return Ok(());
        }
        if let Some(before) = before {
            let changed = diff(&before, &text).into_iter().filter(|line| !line.starts_with(' '));
            let changed = Json::List(changed.map(Json::from).collect());
            let payload = Some(Json::object([("diff", changed)]));
            self.append(site, store, Draft { payload, ..Draft::of("config.change") })?;
        }
        store.set_meta(CONFIGURATION, &text)
    }

    fn append(&self, site: &Site, store: &Store, draft: Draft) -> Done<Receipt> {
        let principal = store.ensure_principal(&site.user.name, "host", site.now)?;
        let user =
            [("user", Json::from(site.user.name.as_str())), ("identity", site.user.by.into())];
        let user = user.map(|(key, value)| (key.to_owned(), value));
        let payload = match draft.payload {
            Some(Json::Object(members)) => Json::Object(user.into_iter().chain(members).collect()),
            _ => Json::Object(user.into()),
        };
        let draft = Draft { actor: Some(principal.pseudonym), payload: Some(payload), ..draft };
        self.journal.append(&draft).map_err(unavailable)
    }

    /// Gives what is in the journal its place in the log. The log itself says how far it has come, so that a
    /// crash between the two neither loses a record nor doubles one.
    pub(crate) fn sequence(&mut self) -> Done<()> {
        let (mut seq, hash) = self.reached()?;
        if seq > self.journal.head().seq {
            let what = format!(
                "the journal ends at record {}, and the log has {seq}",
                self.journal.head().seq
            );
            return Err(Failure::new(Exit::Tampered, what));
        }
        let mut expected = Some(hash);
        loop {
            let entries = self.journal.read(seq + 1, audit::BATCH_MAX, BATCH_BYTES)?;
            let Some(first) = entries.first() else { return Ok(()) };
            let leaf = first.check()?;
            if expected.take().is_some_and(|hash| hash != leaf.prev) {
                let what =
                    format!("record {} of the journal does not follow what the log has", leaf.seq);
                return Err(Failure::new(Exit::Tampered, what));
            }
            self.log.append(&entries)?;
            seq += entries.len() as u64;
        }
    }

    /// The last record of the journal's source that the log has.
    fn reached(&self) -> Done<(u64, Hash)> {
        for index in (0..self.log.checkpoint().size).rev() {
            let entry = self.log.entry(index)?;
            let leaf = Leaf::parse(&entry.leaf)?;
            if leaf.src == SOURCE {
                return Ok((leaf.seq, entry.hash()));
            }
        }
        Ok((0, Hash::ZERO))
    }

    /// The ids of records that were made here and have their place.
    pub(crate) fn ids(&self, receipts: &[Receipt]) -> Done<Vec<String>> {
        let mut ids = Vec::new();
        let mut wanted = receipts.iter().rev().peekable();
        for index in (0..self.log.checkpoint().size).rev() {
            let Some(receipt) = wanted.peek() else { break };
            let entry = self.log.entry(index)?;
            if entry.hash() == receipt.hash {
                ids.push(Leaf::parse(&entry.leaf)?.id);
                wanted.next();
            }
        }
        ids.reverse();
        Ok(ids)
    }

    pub(crate) fn log(&mut self) -> &mut Log {
        &mut self.log
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }
}

/// The record could not be made, so nothing was done.
fn unavailable(error: Error) -> Failure {
    Failure::new(Exit::Unrecorded, format!("AUDIT_UNAVAILABLE: {error}")).line("nothing was done")
}

pub(crate) fn disk() -> Arc<dyn Disk> {
    Arc::new(RealDisk)
}

fn open_journal(site: &Site) -> Done<Journal> {
    let options = JournalOptions {
        total_bytes_max: site.config.size("audit.journal_max"),
        reserve_bytes: site.config.size("audit.reserve"),
        // One command is one writer: there is nobody to wait for.
        ..JournalOptions::default()
    };
    let dir = site.path("audit.journal_dir");
    let open = || Journal::open(disk(), &dir, site.origin(), SOURCE, clock(), options.clone());
    waiting(open).map(|(journal, _)| journal).map_err(unavailable)
}

/// Tries again while another command has it open.
fn waiting<T>(open: impl Fn() -> audit::Result<T>) -> audit::Result<T> {
    let begun = Instant::now();
    loop {
        match open() {
            Err(Error::InUse { .. }) if begun.elapsed() < BUSY => {
                std::thread::sleep(Duration::from_millis(5));
            }
            done => return done,
        }
    }
}

/// The log's private key.
pub(crate) fn signer(site: &Site) -> Done<Signer> {
    let path = site.path("audit.signing_key_file");
    let secret = config::secret(&path).map_err(|why| Failure::file(&path, why))?;
    Signer::from_secret(&secret).map_err(|error| Failure::file(&path, error))
}

pub(crate) fn clock() -> Clock {
    let boot = boot_id(Path::new("/proc/sys/kernel/random/boot_id"));
    let begun = Instant::now();
    Arc::new(move || Stamp { at: now(), up_us: uptime(begun), boot })
}

#[cfg(target_os = "linux")]
fn uptime(_begun: Instant) -> i64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    time.tv_sec * 1_000_000 + time.tv_nsec / 1000
}

/// Since this command began: the best there is everywhere.
#[cfg(not(target_os = "linux"))]
fn uptime(begun: Instant) -> i64 {
    i64::try_from(begun.elapsed().as_micros()).unwrap_or(i64::MAX)
}

fn boot_id(path: &Path) -> [u8; 16] {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let hex: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    let mut id = [0; 16];
    for (byte, digits) in id.iter_mut().zip(hex.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).unwrap_or("0");
        *byte = u8::from_str_radix(digits, 16).unwrap_or(0);
    }
    id
}
