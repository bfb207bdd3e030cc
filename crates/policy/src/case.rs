//! Questions in one line, for tests that are stored with a policy: `ASK => WHAT MUST COME OUT`.

use decision::address::{self, Host};
use decision::{Act, Code, Question, Target, Tls, Transport, Who, time};
use serde::{Deserialize, Serialize};

use crate::{Engine, Live};

/// A question and what must come out.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// As [`ask`] reads it.
    pub ask: String,
    /// `PERMIT`, or every code, in order.
    pub expect: String,
}

/// Reads a question: `ACTION USER TARGET[/TRANSPORT] [clear|unverified|verified] [KEY=VALUE]...` with the keys
/// `group`, `purpose`, `ticket`, `at`, `joined`, `assurance`, `host`, and the word `routed`. USER `-` is nobody; one
/// that ends in `!` is disabled. TARGET is `HOST:PORT`, a path, or `vsock:CID:PORT`. A name is not looked up.
///
/// # Errors
/// What cannot be read. A host that is spelled in an odd way can, and is for the policy to refuse.
pub fn ask(text: &str) -> Result<Question, String> {
    let mut words = text.split_whitespace();
    let mut next = |what: &str| words.next().ok_or_else(|| format!("{text:?}: no {what}"));
    let act: Act = next("action")?.parse()?;
    let user = next("user")?;
    let (target, transport) = target(next("target")?, act)?;
    let mut who = Who::named(user.trim_end_matches('!'));
    (who.known, who.disabled) = (user != "-", user.ends_with('!'));
    let mut question = Question::new(who, act, target, 0);
    if let Some(transport) = transport {
        question.transport = transport;
    }
    for word in words {
        match word.split_once('=') {
            Some(("group", group)) => question.who.groups.push(group.to_owned()),
            Some(("host", host)) => question.who.host = Some(host.to_owned()),
            Some(("assurance", level)) => {
                question.who.assurance =
                    level.parse().map_err(|_| format!("{level:?} is no level"))?;
            }
            Some(("purpose", purpose)) => question.purpose = Some(purpose.to_owned()),
            Some(("ticket", ticket)) => question.ticket = Some(ticket.to_owned()),
            Some(("at", at)) => question.at = time::parse(at)?,
            Some(("joined", addr)) => {
                question.joined.push(addr.parse().map_err(|_| format!("{addr:?} is no address"))?);
            }
            None if word == "routed" => question.routed = true,
            _ => question.tls = word.parse::<Tls>()?,
        }
    }
    Ok(question)
}

/// A target and, behind a slash, a transport.
fn target(text: &str, act: Act) -> Result<(Target, Option<Transport>), String> {
    if text.starts_with('/') {
        let path = text.into();
        let target =
            if act == Act::Exec { Target::Program { path } } else { Target::Unix { path } };
        return Ok((target, None));
    }
    if let Some((cid, port)) = text.strip_prefix("vsock:").and_then(|rest| rest.split_once(':')) {
        let number = |text: &str| text.parse().map_err(|_| format!("{text:?} is no number"));
        return Ok((Target::Vsock { cid: number(cid)?, port: number(port)? }, None));
    }
    let (text, transport) = match text.rsplit_once('/') {
        Some((text, transport)) => (text, Some(transport.parse()?)),
        None => (text, None),
    };
    let (host, port) = address::host_port(text)?;
    let target = match address::host(host) {
        Ok(Host::Addr(addr)) => Target::Inet { addr, port, name: None },
        Ok(Host::Name(name)) => Target::Name { name, port },
        Err(_) => Target::Name { name: host.to_owned(), port },
    };
    Ok((target, transport))
}

impl Case {
    /// Reads a line.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn parse(line: &str) -> Result<Self, String> {
        let (text, expect) = line.split_once("=>").ok_or("no => between question and answer")?;
        ask(text)?;
        for word in expect.split_whitespace().filter(|word| *word != "PERMIT") {
            word.parse::<Code>()?;
        }
        if expect.trim().is_empty() {
            return Err("nothing is expected".into());
        }
        Ok(Self { ask: text.trim().to_owned(), expect: expect.trim().to_owned() })
    }

    /// Reads a file: a case a line, empty lines and those that begin with `#` passed over.
    ///
    /// # Errors
    /// Every line that cannot be read.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, Vec<String>> {
        let lines = (1..).zip(text.lines());
        let lines =
            lines.filter(|(_, line)| !line.trim().is_empty() && !line.trim().starts_with('#'));
        let (mut cases, mut mistakes) = (Vec::new(), Vec::new());
        for (number, line) in lines {
            match Self::parse(line) {
                Ok(case) => cases.push(case),
                Err(why) => mistakes.push(format!("line {number}: {why}")),
            }
        }
        if mistakes.is_empty() { Ok(cases) } else { Err(mistakes) }
    }

    /// What comes out, if it is not what must.
    pub fn fails(&self, engine: &Engine) -> Option<String> {
        let question = match ask(&self.ask) {
            Ok(question) => question,
            Err(why) => return Some(why),
        };
        let answer = engine.ask(&question, &[], &Live::default());
        let codes: Vec<String> = answer
            .reasons
            .iter()
            .filter(|reason| !reason.simulated)
            .map(|reason| reason.code.to_string())
            .collect();
        let came = if answer.permit { "PERMIT".to_owned() } else { codes.join(" ") };
        let expected: Vec<&str> = self.expect.split_whitespace().collect();
        (came != expected.join(" ")).then_some(came)
    }
}
