//! The users of a chat: their numbers, and who is told of their coming and going.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use proto::chat::{Manner, Speaker};

/// Users named to a newcomer; of more only the number. As many as Ncat serves when it is not told
/// otherwise: beyond that, whoever joins and leaves quickly would have everybody sent long lists.
const LISTED_MAX: usize = 99;

/// How users are numbered, and how what they say is marked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Chat {
    /// From 1, never the same number twice; by lines.
    Ours,
    /// As Ncat does: by descriptors, of which the first client gets `first`, each the lowest that is
    /// free; by reads.
    Ncat {
        /// The first client's number.
        first: u64,
    },
}

impl Chat {
    pub(super) fn manner(self) -> Manner {
        match self {
            Self::Ours => Manner::Lines,
            Self::Ncat { .. } => Manner::Reads,
        }
    }
}

/// Who is there.
pub(super) struct Users {
    chat: Chat,
    last: u64,
    /// By client: its number.
    numbers: BTreeMap<u64, u64>,
    /// By number: its address.
    names: BTreeMap<u64, String>,
}

impl Users {
    pub(super) fn new(chat: Chat) -> Self {
        Self { chat, last: 0, numbers: BTreeMap::new(), names: BTreeMap::new() }
    }

    pub(super) fn manner(&self) -> Manner {
        self.chat.manner()
    }

    /// Gives a client its number; what is said of it, and the voice it speaks with.
    pub(super) fn join(&mut self, client: u64, name: &str) -> (String, Speaker) {
        let number = match self.chat {
            Chat::Ours => {
                self.last += 1;
                self.last
            }
            Chat::Ncat { first } => {
                let taken: BTreeSet<u64> = self.names.keys().copied().collect();
                (first..).find(|number| !taken.contains(number)).unwrap_or(first)
            }
        };
        let mut text = format!("<announce> {name} is connected as <user{number}>.\n");
        text.push_str("<announce> already connected: ");
        // Writing to a string cannot fail.
        let _ = self.list(&mut text);
        text.push_str(".\n");
        self.numbers.insert(client, number);
        self.names.insert(number, name.to_owned());
        (text, Speaker::new(number, self.manner()))
    }

    fn list(&self, text: &mut String) -> std::fmt::Result {
        let max = if self.chat == Chat::Ours { LISTED_MAX } else { usize::MAX };
        if self.names.is_empty() {
            return text.write_str("nobody");
        }
        for (at, (number, name)) in self.names.iter().take(max).enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(text, "{comma}{name} as <user{number}>")?;
        }
        match self.names.len().saturating_sub(max) {
            0 => Ok(()),
            more => write!(text, ", and {more} more"),
        }
    }

    /// What is said when a client can say no more; `None` when that has been said.
    pub(super) fn leave(&mut self, client: u64) -> Option<String> {
        let number = self.numbers.remove(&client)?;
        self.names.remove(&number);
        Some(format!("<announce> <user{number}> is disconnected.\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ncats_words() {
        let mut users = Users::new(Chat::Ours);
        assert_eq!(
            users.join(10, "127.0.0.1:4000").0,
            "<announce> 127.0.0.1:4000 is connected as <user1>.\n\
             <announce> already connected: nobody.\n"
        );
        users.join(11, "[::1]:4001");
        assert_eq!(
            users.join(12, "127.0.0.1:4002").0,
            "<announce> 127.0.0.1:4002 is connected as <user3>.\n\
             <announce> already connected: 127.0.0.1:4000 as <user1>, [::1]:4001 as <user2>.\n"
        );
        assert_eq!(users.leave(11).as_deref(), Some("<announce> <user2> is disconnected.\n"));
        assert_eq!(users.leave(11), None);
        // Ours never give a number twice.
        assert!(users.join(13, "x").0.contains("as <user4>.\n"));
    }

    #[test]
    fn ncats_numbers_are_the_lowest_free() {
        let mut users = Users::new(Chat::Ncat { first: 5 });
        for client in 0..3 {
            users.join(client, "x");
        }
        users.leave(1);
        assert!(users.join(9, "x").0.contains("as <user6>.\n"));
        assert!(users.join(10, "x").0.contains("as <user8>.\n"));
    }

    #[test]
    fn a_crowd_is_counted() {
        let mut users = Users::new(Chat::Ours);
        for client in 0..150 {
            users.join(client, "x");
        }
        let text = users.join(200, "x").0;
        assert!(text.ends_with("x as <user98>, x as <user99>, and 51 more.\n"), "{text}");
    }
}
