//! Lua in a build without it: the options say so, so that nothing of it is ever asked for.

use std::path::Path;

use plan::Plan;

use crate::exit::Exit;

/// The scripts of a run; there are none.
pub(crate) struct Lua;

impl Lua {
    pub(crate) fn prepare(_plan: &Plan) -> Result<Self, String> {
        Ok(Self)
    }

    #[cfg_attr(
        not(all(feature = "exec", any(target_os = "linux", target_os = "android"))),
        expect(dead_code, reason = "there are no commands")
    )]
    pub(crate) fn script(&self) -> &[u8] {
        &[]
    }
}

pub(crate) fn run(_path: &Path, _operands: &[String]) -> Exit {
    Exit::Local
}
