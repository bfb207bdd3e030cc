//! STARTTLS.

use plan::StartTls;

use super::super::item::{Given, Group, Item};
use super::super::usage::UsageError;
use super::tls::brought;

const WORDS: &[&str] = &[
    "smtp", "lmtp", "imap", "pop3", "ftp", "ldap", "xmpp", "postgres", "mysql", "nntp", "sieve",
    "irc",
];

fn protocol(given: &Given<'_>) -> Result<StartTls, UsageError> {
    let word = given.text()?;
    let found = StartTls::WORDS.iter().find(|(name, _)| *name == word);
    found.map(|(_, protocol)| *protocol).ok_or_else(|| UsageError::Word {
        option: given.written.to_owned(),
        value: word.to_owned(),
        words: "one of smtp, lmtp, imap, pop3, ftp, ldap, xmpp, postgres, mysql, nntp, sieve, irc",
    })
}

/// The options of this theme.
pub(super) const ITEMS: &[Item] = &[brought(Item::with_value("protocol", |raw, given| {
    raw.tls.starttls = Some(protocol(given)?);
    Ok(())
}))
.long("starttls")
.words(WORDS)
.doc(Group::Tls, "Begin TLS as this protocol has it")
.more(
    "Connecting, by any stream; implies --ssl. One of smtp, lmtp, imap, pop3, ftp, ldap, xmpp, \
     postgres, mysql, nntp, sieve, irc. The dialogue that comes before the handshake is ours, within \
     the time of -w, and shown at -vv; after the handshake the stream is the user's. What a server \
     sends between its leave and the handshake refuses the connection.",
)
.ours("each_protocol_begins_tls_and_the_stream_is_the_users")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_the_plans() {
        assert!(StartTls::WORDS.iter().map(|(word, _)| word).eq(WORDS));
    }
}
