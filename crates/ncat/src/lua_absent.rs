//! Lua in a build without it: the options say so, so that nothing of it is ever asked for.

use std::path::Path;
use std::sync::Arc;

use conn::Conn;
use endpoint::OpenError;
use gate::Gatekeeper;
use plan::{Connect, Plan};

use crate::connect::Opened;
use crate::exit::Exit;
use crate::run::Context;

/// The scripts of a run; there are none.
#[derive(Clone)]
pub(crate) struct Lua;

impl Lua {
    pub(crate) fn prepare(_plan: &Plan, _gate: &Gatekeeper) -> Result<Self, String> {
        Ok(Self)
    }

    pub(crate) fn attach(&self, _context: &Arc<Context>) {}

    pub(crate) fn filters(&self) -> bool {
        false
    }

    pub(crate) fn wrap(&self, _plan: &Plan, remote: Conn) -> Conn {
        remote
    }

    pub(crate) async fn connect(
        &self,
        _context: &Context,
        _spec: &Connect,
    ) -> Option<Result<Opened, OpenError>> {
        None
    }

    pub(crate) fn begin(&self, _plan: &Plan) {}

    pub(crate) fn renewal(&self, _plan: &Plan) -> Option<Box<dyn Fn() + Send>> {
        None
    }

    pub(crate) async fn ended(&self, _plan: &Plan, _is_signal: bool) {}

    #[cfg_attr(
        not(all(feature = "exec", any(target_os = "linux", target_os = "android"))),
        expect(dead_code, reason = "there are no commands")
    )]
    pub(crate) fn script(&self) -> &[u8] {
        &[]
    }
}

pub(crate) fn help(_filters: &plan::Filters) -> Result<String, String> {
    Ok(String::new())
}

pub(crate) fn list(_filters: &plan::Filters) -> Result<String, String> {
    Ok(String::new())
}

pub(crate) fn check(_raw: &plan::RawArgs) -> Result<(String, bool), String> {
    Ok((String::new(), true))
}

pub(crate) fn fault(_error: &std::io::Error) -> Option<(&str, &str)> {
    None
}

pub(crate) fn run(_path: &Path, _operands: &[String]) -> Exit {
    Exit::Local
}
