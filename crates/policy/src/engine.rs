//! The engine: a bundle compiled, and the order in which a question is judged.

use std::collections::{HashMap, HashSet};

use cedar_policy::{
    AuthorizationError, Authorizer, Context, Entities, Entity, EntityId, EntityTypeName, EntityUid,
    PolicySet, Request, RestrictedExpression, Schema,
};
use decision::{Answer, Code, Matched, Question, Reason, Stage, Target, Tls};

use crate::facts::{Facts, Granted, Lists};
use crate::rules::{self, Rule, Rules};
use crate::{Bundle, Case, Grant, Status, advise, compile};

/// Grants tried for one question; those that are about it, in the order given.
const GRANTS_MAX: usize = 32;

/// What holds at the moment of the question and is in no bundle.
#[derive(Clone, Debug, Default)]
pub struct Live<'a> {
    /// Why an emergency stop covers it.
    pub emergency: Option<&'a str>,
    /// What the quotas say.
    pub quota: Option<Reason>,
    /// Why it cannot be recorded or decided properly.
    pub record: Option<Reason>,
}

/// A compiled bundle. Shared between threads by reference.
#[derive(Debug)]
pub struct Engine {
    bundle: Bundle,
    schema: Schema,
    rules: Rules,
    lists: Lists,
    types: Types,
    authorizer: Authorizer,
}

/// Names of entity types, read once.
#[derive(Debug)]
struct Types {
    user: EntityTypeName,
    group: EntityTypeName,
    network: EntityTypeName,
    endpoint: EntityTypeName,
    program: EntityTypeName,
    action: EntityTypeName,
}

/// What the rules say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) permits: Vec<String>,
    /// Forbids that deny, and those on trial.
    pub(crate) forbids: Vec<String>,
    pub(crate) simulated: Vec<String>,
    /// Rules that could not be evaluated: id, why, whether that denies.
    pub(crate) errors: Vec<(String, String, bool)>,
}

impl Verdict {
    /// How much speaks against it.
    fn against(&self) -> usize {
        self.forbids.len() + usize::from(self.permits.is_empty())
    }

    pub(crate) fn is_permit(&self) -> bool {
        let denies = self.errors.iter().any(|(_, _, denies)| *denies);
        !self.permits.is_empty() && self.forbids.is_empty() && !denies
    }
}

impl Engine {
    /// Compiles and validates a bundle. Its cases are not tried: see [`failing`](Self::failing).
    ///
    /// # Errors
    /// Every mistake found.
    pub fn new(bundle: Bundle) -> Result<Self, Vec<String>> {
        let one = |mistake: String| vec![mistake];
        let schema = rules::schema().map_err(one)?;
        let lists = Lists::new(&bundle).map_err(one)?;
        let types = Types::new().map_err(one)?;
        let mut mistakes = Vec::new();
        let mut rules = Rules::default();
        rules.add(None, &compile::rules(&bundle), &mut mistakes);
        for file in &bundle.rules {
            rules.add(Some(&file.name), &file.text, &mut mistakes);
        }
        rules.validate(&schema, &mut mistakes);
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        Ok(Self { bundle, schema, rules, lists, types, authorizer: Authorizer::new() })
    }

    /// The bundle it was made from.
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// Its rules, compiled ones first.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.order.iter().filter_map(|id| self.rules.by_id.get(id))
    }

    /// The cases of the bundle that do not come out as they must: the case and what came out.
    pub fn failing(&self) -> Vec<(&Case, String)> {
        self.bundle.cases.iter().filter_map(|case| Some((case, case.fails(self)?))).collect()
    }

    /// Judges a question. The first grant that makes a denial a permit is named in the answer and is the
    /// caller's to count; where none is needed none is named.
    pub fn ask(&self, question: &Question, grants: &[Grant], live: &Live<'_>) -> Answer {
        let mut facts = self.lists.facts(question);
        let mut verdict = self.judge(question, &facts);
        let mut used = None;
        if !verdict.is_permit() {
            let about =
                grants.iter().filter(|grant| grant.status_at(question.at) == Status::Active);
            for grant in
                about.filter(|grant| grant.is_about(question, question.act)).take(GRANTS_MAX)
            {
                let with = Facts { grant: Granted::by(grant, question), ..facts.clone() };
                let other = self.judge(question, &with);
                if other.is_permit() {
                    (facts, verdict, used) = (with, other, Some(grant));
                    break;
                }
                if other.against() < verdict.against() {
                    // Nearer, though not there: its reasons are the ones worth telling.
                    (facts, verdict) = (with, other);
                }
            }
        }
        let mut reasons = self.around(question, &facts, live);
        let misspelled = reasons.iter().any(|reason| reason.code == Code::NamePolicy);
        reasons.extend(self.reasons(question, &facts, &verdict));
        // What is no name is not looked up by anybody.
        reasons.retain(|reason| !misspelled || reason.code != Code::NameUnresolved);
        if !verdict.is_permit() {
            reasons.extend(exhausted(question, grants));
        }
        reasons.sort_by_key(|reason| (reason.code.stage(), reason.code.rank()));
        let permit = reasons.iter().all(|reason| reason.simulated);
        let enforced = permit || !self.bundle.security.simulate;
        let matched = verdict.permits.iter().map(|rule| self.matched(rule, &facts, used)).collect();
        let errors = verdict.errors.iter().map(|(id, why, _)| format!("{id}: {why}")).collect();
        let grant = used.map(|grant| grant.id.clone());
        let mut answer =
            Answer { permit, enforced, reasons, matched, grant, advice: Vec::new(), errors };
        if !permit {
            answer.advice = advise::advice(self, question, &facts, &answer);
        }
        answer
    }

    /// What is decided without rules.
    fn around(&self, question: &Question, facts: &Facts, live: &Live<'_>) -> Vec<Reason> {
        let reason = |code, text: String| Reason { code, rule: None, text, simulated: false };
        let mut reasons = Vec::new();
        if let Some(why) = live.emergency {
            reasons.push(reason(Code::EmergencyStop, why.to_owned()));
        }
        let who = &question.who;
        if self.bundle.security.authorization_required && (who.name.is_empty() || !who.known) {
            let text = format!("{:?} is not known here", who.name);
            let rule = Some("security_policies.authorization_required".to_owned());
            reasons.push(Reason { code: Code::NotAuthenticated, rule, text, simulated: false });
        }
        if who.disabled {
            reasons.push(reason(Code::PrincipalDisabled, format!("{:?} is disabled", who.name)));
        }
        reasons.extend(self.lists.sanity(question, facts));
        reasons.extend(live.quota.clone());
        reasons.extend(live.record.clone());
        reasons
    }

    /// What the rules say, as reasons.
    fn reasons(&self, question: &Question, facts: &Facts, verdict: &Verdict) -> Vec<Reason> {
        let told = |(id, simulated): (&String, bool)| {
            let rule = self.rules.by_id.get(id)?;
            let code = rule.code.clone()?;
            let text = advise::why(rule, question, facts, self.lists.blocked_ports(), &self.bundle);
            Some(Reason { code, rule: Some(id.clone()), text, simulated })
        };
        let forbids = verdict.forbids.iter().map(|id| (id, false));
        let simulated = verdict.simulated.iter().map(|id| (id, true));
        let mut reasons: Vec<Reason> = forbids.chain(simulated).filter_map(told).collect();
        for (id, why, denies) in &verdict.errors {
            let (code, rule) = (Code::PolicyError, Some(id.clone()));
            reasons.push(Reason { code, rule, text: why.clone(), simulated: !denies });
        }
        let said = reasons
            .iter()
            .any(|reason| reason.code == Code::ListenExposed || reason.code == Code::ExecForbidden);
        if verdict.permits.is_empty() && !said {
            reasons.push(advise::not_allowed(question, facts));
        }
        reasons
    }

    fn matched(&self, rule: &str, facts: &Facts, grant: Option<&Grant>) -> Matched {
        let network = facts.networks.iter().find(|(_, label)| &*label.name == rule);
        let value = match network {
            Some((net, _)) => Some(net.to_string()),
            None if rule == "grant.cover" => grant.map(|grant| grant.id.clone()),
            None => None,
        };
        Matched { rule: rule.to_owned(), value }
    }

    /// Asks the rules.
    pub(crate) fn judge(&self, question: &Question, facts: &Facts) -> Verdict {
        let mut verdict = Verdict::default();
        let (request, entities) = match self.request(question, facts) {
            Ok(made) => made,
            Err(why) => {
                verdict.errors.push(("(request)".into(), why, true));
                return verdict;
            }
        };
        let strict = self.bundle.security.strict_errors;
        let mut ask = |set: &PolicySet, denies: bool| {
            let response = self.authorizer.is_authorized(&request, set, &entities);
            for error in response.diagnostics().errors() {
                let AuthorizationError::PolicyEvaluationError(error) = error;
                verdict.errors.push((
                    error.policy_id().to_string(),
                    error.inner().to_string(),
                    denies,
                ));
            }
            let mut ids: Vec<String> =
                response.diagnostics().reason().map(ToString::to_string).collect();
            ids.sort_unstable_by_key(|id| self.rules.order.iter().position(|known| known == id));
            ids
        };
        let permits = ask(&self.rules.permits, strict);
        let forbids = ask(&self.rules.forbids, true);
        let on_trial = |id: &String| self.rules.by_id.get(id).is_some_and(|rule| rule.simulated);
        let (simulated, forbids) = forbids.into_iter().partition(on_trial);
        Verdict { permits, forbids, simulated, errors: verdict.errors }
    }

    fn request(&self, question: &Question, facts: &Facts) -> Result<(Request, Entities), String> {
        let types = &self.types;
        let user = uid(&types.user, &question.who.name);
        let groups = question.who.groups.iter().map(|group| uid(&types.group, group)).collect();
        let mut about = attributes([
            ("assurance", number(question.who.assurance.into())),
            ("known", truth(question.who.known)),
        ]);
        if let Some(host) = &question.who.host {
            about.insert("host".into(), text(host));
        }
        let principal = Entity::new(user.clone(), about, groups).map_err(words)?;
        let (resource, id) = self.resource(question, facts)?;
        let context = context(question, facts)?;
        let action = uid(&types.action, question.act.name());
        let request = Request::new(user, action, id, context, Some(&self.schema)).map_err(words)?;
        let entities = Entities::from_entities([principal, resource], None).map_err(words)?;
        Ok((request, entities))
    }

    fn resource(&self, question: &Question, facts: &Facts) -> Result<(Entity, EntityUid), String> {
        let types = &self.types;
        let shown = question.target.to_string();
        if let Target::Program { .. } = question.target {
            let id = uid(&types.program, &shown);
            let about = attributes([("path", text(&shown))]);
            let entity = Entity::new(id.clone(), about, HashSet::new()).map_err(words)?;
            return Ok((entity, id));
        }
        let id = uid(&types.endpoint, &question.place());
        let mut about = attributes([
            ("transport", text(question.transport.name())),
            ("loopback", truth(facts.loopback)),
            ("local", truth(facts.local)),
        ]);
        let mut put = |key: &str, value| about.insert(key.to_owned(), value);
        if let Some(port) = question.target.port() {
            put("port", number(port.into()));
        }
        if let Some(addr) = facts.addr {
            put("address", RestrictedExpression::new_ip(addr.to_string()));
        }
        match &question.target {
            Target::Inet { name: Some(name), .. } | Target::Name { name, .. } => {
                put("name", text(name));
            }
            Target::Unix { .. } => {
                put("path", text(&shown));
            }
            _ => {}
        }
        let networks = facts.networks.iter().map(|(_, label)| uid(&types.network, &label.name));
        let entity = Entity::new(id.clone(), about, networks.collect()).map_err(words)?;
        Ok((entity, id))
    }
}

impl Types {
    fn new() -> Result<Self, String> {
        let name = |name: &str| name.parse::<EntityTypeName>().map_err(words);
        Ok(Self {
            user: name("User")?,
            group: name("Group")?,
            network: name("Network")?,
            endpoint: name("Endpoint")?,
            program: name("Program")?,
            action: name("Action")?,
        })
    }
}

/// A used-up grant would have covered it.
fn exhausted(question: &Question, grants: &[Grant]) -> Option<Reason> {
    let grant = grants.iter().find(|grant| {
        grant.status_at(question.at) == Status::Exhausted && grant.is_about(question, question.act)
    })?;
    let text =
        format!("grant {} has been used {} times, as often as it may be", grant.id, grant.used);
    debug_assert_eq!(Code::GrantExhausted.stage(), Stage::Quota);
    Some(Reason { code: Code::GrantExhausted, rule: None, text, simulated: false })
}

fn context(question: &Question, facts: &Facts) -> Result<Context, String> {
    const MINUTE: i64 = 60_000_000;
    let minutes = question.at.div_euclid(MINUTE);
    let Granted { covers, port, cleartext, unverified, exec, relay } = facts.grant;
    let grant = [
        ("covers", covers),
        ("port", port),
        ("cleartext", cleartext),
        ("unverified", unverified),
        ("exec", exec),
        ("relay", relay),
    ];
    let grant = grant.map(|(key, value)| (key.to_owned(), truth(value)));
    let grant = RestrictedExpression::new_record(grant).map_err(words)?;
    let mut pairs = attributes([
        ("encrypted", truth(facts.tls != Tls::Clear)),
        ("authenticated", truth(facts.tls == Tls::Verified)),
        ("resolved", truth(facts.resolved)),
        ("wildcard", truth(facts.wildcard)),
        ("routed", truth(question.routed)),
        ("port_blocked", truth(facts.port_blocked)),
        ("zones_joined", truth(facts.zones.len() > 1)),
        ("purpose_stated", truth(facts.purpose_stated)),
        ("ticket_valid", truth(facts.ticket_valid)),
        ("minute", number(minutes.rem_euclid(24 * 60))),
        // 1970-01-01 was a Thursday.
        ("weekday", number((minutes.div_euclid(24 * 60) + 4).rem_euclid(7))),
        ("grant", grant),
    ]);
    for (key, value) in [("purpose", &question.purpose), ("ticket", &question.ticket)] {
        if let Some(value) = value {
            pairs.insert(key.to_owned(), text(value));
        }
    }
    Context::from_pairs(pairs).map_err(words)
}

fn attributes<const N: usize>(
    pairs: [(&str, RestrictedExpression); N],
) -> HashMap<String, RestrictedExpression> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

fn text(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}

fn number(value: i64) -> RestrictedExpression {
    RestrictedExpression::new_long(value)
}

fn truth(value: bool) -> RestrictedExpression {
    RestrictedExpression::new_bool(value)
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}
