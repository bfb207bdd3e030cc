//! A broker: what one client says goes to all others.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use conn::stage::{Heading, Transcript};
use proto::chat::Speaker;

use super::chat::{Chat, Users};
use super::client::Client;
use super::history::{Grain, History};
use super::shared::{Shared, compact};

/// Longest datagram that is passed on, in bytes: what fits an IPv4 packet.
const DATAGRAM_MAX: usize = 65_507;

/// What a broker does besides passing on.
#[derive(Clone)]
pub struct Broker {
    /// What clients say goes to the others; without it it is discarded (`--send-only`).
    pub relays: bool,
    /// Clients are sent something at all; not with `--recv-only`.
    pub sends: bool,
    /// That a sender is done is passed on (`--broker-eof`).
    pub passes_end: bool,
    /// A client that ends its direction is disconnected, as Ncat does it.
    pub drops_half_closed: bool,
    /// Bytes of the conversation kept for those who join late.
    pub history_bytes: u64,
    /// Users are told apart and announced.
    pub chat: Option<Chat>,
    /// Where each message is recorded, once.
    pub transcript: Option<Arc<dyn Transcript>>,
}

/// A broker's part of what is shared.
pub(super) struct Room {
    spec: Broker,
    users: Option<Users>,
    history: History,
    /// The voice of standard input.
    host: Option<Speaker>,
    /// Pieces of the source longer than this are cut; 0 for streams.
    datagram_size: usize,
    /// Standard input has said something.
    pub(super) host_spoke: bool,
    /// Whoever joins now sees the end.
    pub(super) closing: bool,
}

impl Room {
    pub(super) fn new(spec: Broker, datagram_size: usize) -> Self {
        let grain = match (datagram_size, spec.chat) {
            (1.., _) => Grain::Pieces,
            (0, Some(Chat::Ours)) => Grain::Lines,
            (0, _) => Grain::Bytes,
        };
        Self {
            users: spec.chat.map(Users::new),
            history: History::new(spec.history_bytes, grain),
            host: spec.chat.map(|chat| Speaker::new(0, chat.manner())),
            datagram_size,
            host_spoke: false,
            closing: false,
            spec,
        }
    }

    pub(super) fn spec(&self) -> &Broker {
        &self.spec
    }

    fn is_message(&self) -> bool {
        self.datagram_size > 0
    }

    fn record(&self, heading: Heading, piece: &[u8]) -> io::Result<()> {
        match &self.spec.transcript {
            Some(transcript) if !piece.is_empty() => transcript.record(heading, piece),
            _ => Ok(()),
        }
    }

    /// What is passed on of `read`; of a chat nothing while a line is unfinished.
    fn put(&self, speaker: Option<&mut Speaker>, read: Bytes) -> Option<Bytes> {
        let Some(speaker) = speaker else { return Some(read) };
        if read.is_empty() {
            return None;
        }
        let mut out = BytesMut::with_capacity(read.len() + 32);
        speaker.say(&read, &mut out);
        // A datagram is a message, whether or not a line end is in it.
        if self.is_message() {
            speaker.finish(&mut out);
        }
        (!out.is_empty()).then(|| out.freeze())
    }
}

/// Cuts a piece that is longer than a datagram; `size` is 0 for streams.
pub(super) fn cut(piece: &Bytes, size: usize) -> impl Iterator<Item = Bytes> {
    let step = if size == 0 { piece.len().max(1) } else { size };
    let count = piece.len().div_ceil(step).max(1);
    (0..count).map(move |at| piece.slice(at * step..piece.len().min((at + 1) * step)))
}

impl Shared {
    /// A client's words, as they were read.
    pub(super) fn say(&mut self, id: u64, speaker: Option<&mut Speaker>, read: Bytes) {
        if let Some(client) = self.client(id) {
            client.spoke |= !read.is_empty();
        }
        let Some(room) = &self.room else { return };
        if let Some(piece) = room.put(speaker, read) {
            self.pass_on(piece, Some(id));
        }
    }

    /// Standard input's words.
    pub(super) fn say_as_host(&mut self, read: Bytes) {
        let Some(room) = &mut self.room else { return };
        room.host_spoke |= !read.is_empty();
        let mut host = room.host.take();
        let piece = room.put(host.as_mut(), read);
        room.host = host;
        if let Some(piece) = piece {
            self.pass_on(piece, None);
        }
    }

    /// The rest of an unfinished line.
    pub(super) fn finish_line(&mut self, speaker: Option<&mut Speaker>, from: Option<u64>) {
        let Some(speaker) = speaker else { return };
        let mut rest = BytesMut::new();
        speaker.finish(&mut rest);
        if !rest.is_empty() {
            self.pass_on(rest.freeze(), from);
        }
    }

    /// Standard input has ended.
    pub(super) fn host_ended(&mut self) {
        let Some(room) = &mut self.room else { return };
        let mut host = room.host.take();
        self.finish_line(host.as_mut(), None);
        self.end_of_host();
    }

    /// Records a message, and gives it to all others.
    fn pass_on(&mut self, piece: Bytes, from: Option<u64>) {
        let Some(room) = &self.room else { return };
        let heading = if from.is_some() { Heading::Recv } else { Heading::Send };
        let recorded = room.record(heading, &piece);
        let is_passed = room.spec.sends && (room.spec.relays || from.is_none());
        let size = match (room.datagram_size, from) {
            (0, _) => 0,
            (size, None) => size,
            (_, Some(_)) => DATAGRAM_MAX,
        };
        self.note_failure(recorded);
        if !is_passed {
            return;
        }
        for piece in cut(&compact(piece), size) {
            if let Some(room) = &mut self.room {
                room.history.push(piece.clone());
            }
            let len = piece.len() as u64;
            let is_heard = self.publish(piece, from, false);
            if let Some(client) = from.filter(|_| !is_heard).and_then(|id| self.client(id)) {
                client.unheard += len;
            }
        }
    }

    /// Whether a client's first words are kept back: with `--broker-eof` one who is alone waits for
    /// company, so that it does not matter who of sender and receiver comes first. Once it has begun
    /// it is not stopped: what follows would reach the next one without its beginning.
    pub(super) fn must_wait_for_company(&self, id: u64) -> bool {
        let keeps = |room: &Room| room.spec.passes_end && room.spec.relays && !room.closing;
        let has_begun = self.clients.get(&id).is_some_and(|client| client.spoke);
        !has_begun && self.room.as_ref().is_some_and(keeps) && self.is_alone(id)
    }

    /// Bytes of a client that reached nobody, where that is a loss: a chat may begin with a monologue,
    /// a peer of datagrams has to speak to be known, and a history keeps what was said.
    pub(super) fn unheard(&self, client: &Client) -> u64 {
        let counts = |room: &Room| {
            room.spec.chat.is_none() && !room.is_message() && room.spec.history_bytes == 0
        };
        if self.room.as_ref().is_some_and(counts) { client.unheard } else { 0 }
    }

    fn note_failure(&mut self, recorded: io::Result<()>) {
        if let Err(error) = recorded {
            self.failure.get_or_insert(error);
            self.wake_driver();
        }
    }

    /// A client has joined: what was said before, and who it is. Its voice in a chat.
    pub(super) fn welcome(&mut self, id: u64, name: &str) -> Option<Speaker> {
        let room = self.room.as_mut()?;
        let before: Vec<Bytes> = room.history.pieces().cloned().collect();
        let had_history = !before.is_empty();
        let (sends, closing) = (room.spec.sends, room.closing);
        let joined = room.users.as_mut().map(|users| users.join(id, name));
        if let Some(client) = self.clients.get_mut(&id) {
            let now = tokio::time::Instant::now();
            before.into_iter().for_each(|piece| client.give_history(piece, now));
            client.closing = closing;
            if !sends {
                client.stop();
            }
        }
        if had_history {
            self.owe();
        }
        self.grant();
        let (text, speaker) = joined?;
        self.announce(text, None);
        Some(speaker)
    }

    /// A client can say no more: the others are told.
    pub(super) fn farewell(&mut self, id: u64) {
        let users = self.room.as_mut().and_then(|room| room.users.as_mut());
        if let Some(text) = users.and_then(|users| users.leave(id)) {
            self.announce(text, Some(id));
        }
    }

    /// Tells everybody but `except`. Nobody is waited for because of an announcement: who is full goes
    /// without.
    fn announce(&mut self, text: String, except: Option<u64>) {
        let Some(room) = &self.room else { return };
        if !room.spec.sends {
            return;
        }
        let recorded = room.record(Heading::Send, text.as_bytes());
        let size = room.datagram_size;
        self.note_failure(recorded);
        for piece in cut(&Bytes::from(text), size) {
            let _ = self.publish(piece, except, true);
        }
    }
}
