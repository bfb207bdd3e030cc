//! How often and how many at once. The only state of the policy, kept by whoever serves many.

use std::collections::HashMap;

use decision::{Act, Code, Question, Reason};

/// Users remembered; of more, those that have earned everything back are forgotten.
const USERS_MAX: usize = 100_000;

/// What is allowed. Times are in microseconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Open at once, by everybody.
    pub connections: u32,
    /// Open at once, by one user.
    pub connections_per_user: u32,
    /// Connects by one user: how many in a row, and the time in which one is earned back.
    pub connect: (u32, i64),
    /// Listens by one user, the same.
    pub listen: (u32, i64),
}

/// What was used.
#[derive(Clone, Debug)]
pub struct Quotas {
    limits: Limits,
    open: u32,
    users: HashMap<(String, Act), Used>,
    open_by: HashMap<String, u32>,
}

/// The generic cell rate algorithm: one number says when everything is earned back.
#[derive(Clone, Copy, Debug)]
struct Used {
    whole_at: i64,
}

impl Quotas {
    /// Nothing used yet.
    pub fn new(limits: Limits) -> Self {
        Self { limits, open: 0, users: HashMap::new(), open_by: HashMap::new() }
    }

    /// Takes one, or says why not.
    ///
    /// # Errors
    /// `RATE_LIMITED` with the time to wait, `MAX_CONNECTIONS`.
    pub fn take(&mut self, question: &Question) -> Result<(), Reason> {
        let user = &question.who.name;
        let (burst, each) = match question.act {
            Act::Connect | Act::Proxy | Act::Test => self.limits.connect,
            Act::Listen => self.limits.listen,
            _ => return Ok(()),
        };
        let by_user = self.open_by.get(user).copied().unwrap_or(0);
        let limits = self.limits;
        let full = |text: String| {
            Err(Reason { code: Code::MaxConnections, rule: None, text, simulated: false })
        };
        if self.open >= limits.connections {
            return full(format!(
                "{} are open; network_policies.max_connections is {}",
                self.open, limits.connections
            ));
        }
        if by_user >= limits.connections_per_user {
            let key = "network_policies.max_connections_per_user";
            return full(format!(
                "{by_user} of {user} are open; {key} is {}",
                limits.connections_per_user
            ));
        }
        if self.users.len() >= USERS_MAX {
            self.users.retain(|_, used| used.whole_at > question.at);
        }
        let kind = if question.act == Act::Listen { Act::Listen } else { Act::Connect };
        let used = self.users.entry((user.clone(), kind)).or_insert(Used { whole_at: question.at });
        let whole_at = used.whole_at.max(question.at) + each;
        let wait = whole_at - question.at - i64::from(burst) * each;
        if wait > 0 {
            let text = format!("{kind} by {user}; retry after {} ms", wait.div_euclid(1000) + 1);
            return Err(Reason { code: Code::RateLimited, rule: None, text, simulated: false });
        }
        used.whole_at = whole_at;
        Ok(())
    }

    /// One more is open.
    pub fn opened(&mut self, user: &str) {
        self.open += 1;
        *self.open_by.entry(user.to_owned()).or_default() += 1;
    }

    /// One less is open.
    pub fn closed(&mut self, user: &str) {
        self.open = self.open.saturating_sub(1);
        if let Some(open) = self.open_by.get_mut(user) {
            *open = open.saturating_sub(1);
            if *open == 0 {
                self.open_by.remove(user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use decision::{Target, Who};

    use super::*;

    fn connect(user: &str, at: i64) -> Question {
        let target = Target::Inet { addr: "10.0.0.1".parse().unwrap(), port: 1, name: None };
        Question::new(Who::named(user), Act::Connect, target, at)
    }

    fn quotas() -> Quotas {
        Quotas::new(Limits {
            connections: 3,
            connections_per_user: 2,
            connect: (2, 1_000_000),
            listen: (1, 1_000_000),
        })
    }

    #[test]
    fn rates_are_earned_back() {
        let mut quotas = quotas();
        assert!(quotas.take(&connect("a", 0)).is_ok());
        assert!(quotas.take(&connect("a", 0)).is_ok());
        let reason = quotas.take(&connect("a", 400_000)).unwrap_err();
        assert_eq!(
            (reason.code, &reason.text[..]),
            (Code::RateLimited, "connect by a; retry after 601 ms")
        );
        assert!(quotas.take(&connect("b", 400_000)).is_ok());
        assert!(quotas.take(&connect("a", 1_001_000)).is_ok());
        assert!(quotas.take(&connect("a", 1_001_000)).is_err());
    }

    #[test]
    fn so_many_at_once() {
        let mut quotas = quotas();
        ["a", "a", "b"].iter().for_each(|user| quotas.opened(user));
        assert!(quotas.take(&connect("c", 0)).unwrap_err().text.starts_with("3 are open"));
        quotas.closed("b");
        assert!(quotas.take(&connect("a", 0)).unwrap_err().text.starts_with("2 of a"));
        assert!(quotas.take(&connect("c", 0)).is_ok());
    }
}
