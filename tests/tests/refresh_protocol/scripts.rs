//! The real scripts, in a real Redis, have the effects of the model's [`Memory`], in each order that the model finds.

use std::collections::BTreeSet;

use bff_service::session::refresh::redis_scripts::{DISCARD, JOIN, KEEP, PUBLISH};
use bff_tests::setup::start;
use demo_system::Component;
use redis::{Connection, Script, ScriptInvocation, Value};

use crate::memory::{Found, Memory, Outcome, Token, Tokens};

/// An event of the memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Step {
    Join { token: Token, may_lead: bool },
    Keep(Token),
    Settle(Token, Outcome),
    Discard(Outcome),
    LockEnds,
    OutcomeEnds,
    Forgets,
}

/// Redis, for one exchange after the other.
pub struct RealMemory {
    connection: Connection,
    exchange: usize,
}

impl RealMemory {
    /// Runs the orders, each of which begins without entries.
    pub fn check(orders: &BTreeSet<Vec<Step>>) {
        let test = start(|options| {
            options.without = Component::ALL
                .into_iter()
                .filter(|part| *part != Component::Redis)
                .collect();
        });
        let url = format!("redis://127.0.0.1:{}", test.system.options().ports.redis);
        let client = redis::Client::open(url).expect("a URL");
        let mut real = RealMemory {
            connection: client.get_connection().expect("Redis"),
            exchange: 0,
        };
        for order in orders {
            real.exchange += 1;
            let mut model = Memory::default();
            for (index, step) in order.iter().enumerate() {
                let (expected, found) = (model.take(*step), real.take(*step));
                assert_eq!(found, expected, "step {index} of {order:?}");
                assert_eq!(
                    real.contents(),
                    (model.outcome.map(text), model.lock),
                    "after step {index} of {order:?}"
                );
            }
        }
    }

    fn keys(&self) -> [String; 3] {
        ["outcome", "lock", "begun"].map(|key| format!("{key}:{}", self.exchange))
    }

    fn call<'a>(&self, script: &'a Script) -> ScriptInvocation<'a> {
        let mut call = script.prepare_invoke();
        for key in self.keys() {
            call.key(key);
        }
        call
    }

    fn take(&mut self, step: Step) -> String {
        const LONG: u64 = 1_000_000;
        let [outcome_key, lock_key, begun_key] = self.keys();
        let run = |real: &mut RealMemory, script: &str, arguments: &[String]| {
            let script = Script::new(script);
            let mut call = real.call(&script);
            for argument in arguments {
                call.arg(argument);
            }
            call.invoke::<Value>(&mut real.connection).expect("a response")
        };
        let delete = |real: &mut RealMemory, keys: &[&String]| {
            let () = redis::cmd("DEL")
                .arg(keys)
                .query(&mut real.connection)
                .expect("deleted");
            "nothing".to_owned()
        };
        let long = LONG.to_string();
        match step {
            Step::Join { token, may_lead } => {
                let may_lead = u8::from(may_lead).to_string();
                said(&run(self, JOIN, &[token.to_string(), long.clone(), long, may_lead]))
            }
            Step::Keep(token) => said(&run(self, KEEP, &[token.to_string(), long.clone(), long])),
            Step::Settle(token, outcome) => said(&run(self, PUBLISH, &[token.to_string(), text(outcome), long])),
            Step::Discard(outcome) => said(&run(self, DISCARD, &[text(outcome)])),
            Step::LockEnds => delete(self, &[&lock_key]),
            Step::OutcomeEnds => delete(self, &[&outcome_key]),
            Step::Forgets => delete(self, &[&outcome_key, &lock_key, &begun_key]),
        }
    }

    fn contents(&mut self) -> (Option<String>, Option<Token>) {
        let [outcome, lock, _] = self.keys();
        redis::cmd("MGET")
            .arg(outcome)
            .arg(lock)
            .query(&mut self.connection)
            .expect("both")
    }
}

impl Memory {
    /// Makes the step, and returns the script's result.
    pub fn take(&mut self, step: Step) -> String {
        match step {
            Step::Join { token, may_lead } => match self.join(Tokens::Random(token), may_lead) {
                Found::Outcome(outcome) => text(outcome),
                Found::Leads { instead, .. } => (1 + i64::from(instead)).to_string(),
                Found::Busy => "nothing".to_owned(),
            },
            Step::Keep(token) => i64::from(self.keep(token)).to_string(),
            Step::Settle(token, outcome) => i64::from(self.settle(token, outcome)).to_string(),
            Step::Discard(outcome) => i64::from(self.discard(outcome)).to_string(),
            Step::LockEnds | Step::OutcomeEnds | Step::Forgets => {
                match step {
                    Step::LockEnds => self.lock = None,
                    Step::OutcomeEnds => self.outcome = None,
                    _ => *self = Memory::default(),
                }
                "nothing".to_owned()
            }
        }
    }
}

fn text(outcome: Outcome) -> String {
    format!("{outcome:?}")
}

fn said(value: &Value) -> String {
    match value {
        Value::Int(number) => number.to_string(),
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::Nil => "nothing".to_owned(),
        other => format!("{other:?}"),
    }
}
