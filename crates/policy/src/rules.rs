//! Rules: those written by hand are read, checked and given their ids; those compiled come the same way.

use std::collections::HashMap;
use std::str::FromStr;

use cedar_policy::{Effect, Policy, PolicyId, PolicySet, Schema, ValidationMode, Validator};
use decision::{Code, Stage};

/// The vocabulary rules are written in and validated against, strictly.
pub const SCHEMA: &str = include_str!("policy.cedarschema");

/// Beginnings of the ids of compiled rules.
const RESERVED: [&str; 3] = ["nw.", "sec.", "grant."];

/// What is known of a rule besides its text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rule {
    /// `@id`.
    pub id: String,
    /// `@reason`.
    pub reason: String,
    /// `@code`; none for a permit.
    pub code: Option<Code>,
    /// `@mode("simulate")`: recorded, and denies nothing.
    pub simulated: bool,
    /// The file it is from; none for compiled ones.
    pub file: Option<String>,
    /// Cedar.
    pub text: String,
}

/// Rules in two sets, so that each evaluation says all that speaks for and all that speaks against.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    pub(crate) permits: PolicySet,
    pub(crate) forbids: PolicySet,
    pub(crate) by_id: HashMap<String, Rule>,
    /// In the order they came.
    pub(crate) order: Vec<String>,
}

pub(crate) fn schema() -> Result<Schema, String> {
    let (schema, _) = Schema::from_cedarschema_str(SCHEMA).map_err(|error| error.to_string())?;
    Ok(schema)
}

impl Rules {
    /// Adds a file's rules; `name` is none for compiled ones. Every mistake is reported.
    pub(crate) fn add(&mut self, name: Option<&str>, text: &str, mistakes: &mut Vec<String>) {
        let place = name.unwrap_or("compiled rules");
        let set = match PolicySet::from_str(text) {
            Ok(set) => set,
            Err(errors) => return mistakes.push(format!("{place}: {errors}")),
        };
        if set.templates().next().is_some() {
            mistakes.push(format!("{place}: templates are not used here"));
        }
        // The parser numbers them as they stand.
        let number = |policy: &&Policy| {
            policy
                .id()
                .to_string()
                .trim_start_matches("policy")
                .parse::<usize>()
                .unwrap_or(usize::MAX)
        };
        let mut policies: Vec<&Policy> = set.policies().collect();
        policies.sort_by_key(number);
        for (number, policy) in (1..).zip(policies) {
            match self.checked(policy, name) {
                Ok(rule) => self.put(policy, rule, mistakes),
                Err(why) => {
                    let id =
                        policy.annotation("id").map(|id| format!(" ({id})")).unwrap_or_default();
                    mistakes.push(format!("{place}: rule {number}{id}: {why}"));
                }
            }
        }
    }

    fn put(&mut self, policy: &Policy, rule: Rule, mistakes: &mut Vec<String>) {
        let named = policy.new_id(PolicyId::new(&rule.id));
        let set = if rule.code.is_some() { &mut self.forbids } else { &mut self.permits };
        if let Err(error) = set.add(named) {
            mistakes.push(format!("{}: {error}", rule.id));
        }
        self.order.push(rule.id.clone());
        self.by_id.insert(rule.id.clone(), rule);
    }

    fn checked(&self, policy: &Policy, file: Option<&str>) -> Result<Rule, String> {
        let told =
            |key: &str| policy.annotation(key).map(str::to_owned).filter(|text| !text.is_empty());
        let id = told("id").ok_or("has no @id(\"...\")")?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if !id.bytes().all(plain) {
            return Err("its @id has other characters than letters, digits, . _ and -".into());
        }
        if file.is_some() && RESERVED.iter().any(|begin| id.starts_with(begin)) {
            return Err(format!(
                "ids that begin with {} are for compiled rules",
                RESERVED.join(", ")
            ));
        }
        if self.by_id.contains_key(&id) {
            return Err("another rule has this @id".into());
        }
        let reason = told("reason").ok_or("has no @reason(\"...\")")?;
        let code = match (policy.effect(), told("code")) {
            (Effect::Permit, None) => None,
            (Effect::Permit, Some(_)) => return Err("a permit has no @code".into()),
            (Effect::Forbid, None) => return Err("a forbid has no @code(\"...\")".into()),
            (Effect::Forbid, Some(word)) => {
                let code: Code = word.parse()?;
                let allowed =
                    matches!(code.stage(), Stage::Identity | Stage::Target | Stage::Rules);
                let own = !matches!(&code, Code::Rule(named) if *named != id);
                if !allowed || !own {
                    return Err(format!("@code({word:?}) is not for a rule; RULE:{id} is"));
                }
                Some(code)
            }
        };
        let simulated = match policy.annotation("mode") {
            None | Some("enforce") => false,
            Some("simulate") => true,
            Some(other) => return Err(format!("@mode({other:?}) is not enforce or simulate")),
        };
        let text = policy.to_string();
        Ok(Rule { id, reason, code, simulated, file: file.map(str::to_owned), text })
    }

    /// Checks types against the schema, strictly.
    pub(crate) fn validate(&self, schema: &Schema, mistakes: &mut Vec<String>) {
        let validator = Validator::new(schema.clone());
        for set in [&self.permits, &self.forbids] {
            let result = validator.validate(set, ValidationMode::Strict);
            mistakes.extend(result.validation_errors().map(ToString::to_string));
        }
    }
}
