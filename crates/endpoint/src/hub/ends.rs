//! `--broker-eof`: who is told that a sender is done.
//!
//! When a client ends its direction in order (a FIN, not a reset and not a cut), the others are told
//! the end, after everything that waits for them, if one of these holds:
//!
//! | | the client | the others |
//! |---|---|---|
//! | 1 | has sent something | there is one: two who speak see what they would see without a broker |
//! | 2 | has sent something | none has that may still speak |
//! | 3 | | all have ended themselves, and somebody has spoken: nobody may speak any more, and it is told too |
//!
//! The end of one who has said nothing says nothing: a receiver whose input is `/dev/null`, as every program's
//! is that a script starts in the background, has ended before anybody has begun.
//!
//! Standard input counts among the others while it may still speak and has spoken; its own end is told by
//! rule 2. Who was told the end and has ended itself counts no more. Only who is there is told: who joins
//! later begins anew. A client that is torn away after it has sent something is not done: nobody is
//! told, for a file that was cut must not look whole. Torn away before that, it counts as one that ended.

use super::client::Client;
use super::shared::Shared;

impl Shared {
    /// A client has ended its direction.
    pub(super) fn end_of(&mut self, id: u64) {
        let drops = self.room.as_ref().is_some_and(|room| room.spec().drops_half_closed);
        let Some(client) = self.client(id) else { return };
        if std::mem::replace(&mut client.ended, true) {
            return;
        }
        let spoke = client.spoke;
        if drops {
            client.close();
        }
        self.pass_end(Some(id), spoke);
    }

    /// A client is gone; it is in the list no longer.
    pub(super) fn gone(&mut self, id: u64, client: &Client) {
        if !client.ended && !client.spoke {
            self.pass_end(Some(id), false);
        }
    }

    /// Standard input has ended.
    pub(super) fn end_of_host(&mut self) {
        let spoke = self.room.as_ref().is_some_and(|room| room.host_spoke);
        if spoke {
            self.pass_end(None, true);
        }
    }

    fn pass_end(&mut self, from: Option<u64>, spoke: bool) {
        let Some(room) = self.room.as_ref().filter(|room| room.spec().passes_end) else { return };
        if from.is_some() && room.host_spoke && !self.source_ended {
            return;
        }
        let counts =
            |id: &u64, client: &Client| from != Some(*id) && !(client.closing && client.ended);
        let others: Vec<&Client> =
            self.clients.iter().filter(|(id, client)| counts(id, client)).map(|(_, c)| c).collect();
        let is_pair = from.is_some() && spoke && others.len() == 1;
        let is_last_voice = spoke && others.iter().all(|other| other.ended || !other.spoke);
        let has_been_spoken = spoke || others.iter().any(|other| other.spoke);
        let is_silence =
            from.is_some() && has_been_spoken && others.iter().all(|other| other.ended);
        // Then it has nobody left to hear either.
        let hears_no_more = is_silence && !others.is_empty();
        if is_pair || is_last_voice || is_silence {
            for (id, client) in &mut self.clients {
                if from != Some(*id) || hears_no_more {
                    client.close();
                }
            }
        }
    }

    /// Everyone, and who comes later, sees the end after what waits for them.
    pub(super) fn close(&mut self) {
        if let Some(room) = &mut self.room {
            room.closing = true;
        }
        self.clients.values_mut().for_each(Client::close);
        // Who waited for company need not any longer.
        self.grant();
    }

    /// Lets go of the client that has been done with its own direction longest: it only listens, if it
    /// is there at all, and somebody else wants its place.
    pub(super) fn dismiss(&mut self) {
        if self.room.is_none() {
            return;
        }
        let done = self.clients.iter_mut().find(|(_, client)| client.ended && !client.closing);
        if let Some((&id, client)) = done {
            client.stop();
            client.close();
            self.note_room(id);
        }
    }
}
