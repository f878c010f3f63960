//! The help texts.

/// A command: its name, its synopsis, and what it does.
struct Command {
    name: &'static str,
    synopsis: &'static str,
    text: &'static [&'static str],
}

const COMMANDS: [Command; 18] = [
    Command {
        name: "up",
        synopsis: "up [--check] [--native] [--no-envoy] [--replicas]",
        text: &[
            "starts the demo system and keeps it running until Ctrl-C, even if a part of it exits",
            "--check: walks through it in a browser instead, and exits with the result",
            "--native: loads the native module into Envoy, in place of the proxy-wasm module",
            "--no-envoy: does not start Envoy, which you start by hand",
            "--replicas: starts two replicas of the service, which share a Redis",
        ],
    },
    Command {
        name: "compose",
        synopsis: "compose [--check] [--drill]",
        text: &[
            "starts the demo in containers and removes it afterwards; in between, one of these or both:",
            "--check: walks through it in a browser",
            "--drill: kills a replica of the service under load, and looks for lost sessions",
        ],
    },
    Command {
        name: "check",
        synopsis: "check",
        text: &[
            "checks the formatting, and runs clippy and all tests that need no program except Rust's own and git",
            "(about two minutes)",
        ],
    },
    Command {
        name: "test",
        synopsis: "test [NAME…]",
        text: &[
            "runs all tests (about 15 minutes), or the Rust and browser tests whose names, or whose files, contain a NAME",
        ],
    },
    Command {
        name: "newcomer",
        synopsis: "newcomer [BROWSER…]",
        text: &[
            "walks through the demo in Chromium, Firefox and WebKitGTK, as somebody whose browser does not trust",
            "the demo's certificates; with BROWSERs (chromium, firefox, webkit): only in these",
        ],
    },
    Command {
        name: "client-matrix",
        synopsis: "client-matrix [FRAMEWORK…]",
        text: &[
            "tries the client package in next, vue, svelte and angular: an application of each, in a browser;",
            "with FRAMEWORKs: only in these",
        ],
    },
    Command {
        name: "interop",
        synopsis: "interop [SERVER…]",
        text: &[
            "walks through the system with real authorization servers, which it fetches, and writes the results to",
            "docs/providers/tested.md; with SERVERs (named as their pages in docs/providers): only these, and only to the",
            "terminal",
        ],
    },
    Command {
        name: "control-planes",
        synopsis: "control-planes [NAME…]",
        text: &[
            "fetches and starts a Kubernetes API server, istiod and Envoy Gateway; applies the chart and the manifests;",
            "upgrades releases and rolls them back; walks through the system behind the Envoy that each control plane",
            "configures; with NAMEs: after the manifests, only the upgrades and rollbacks (chart) and",
            "the walks (istio, envoy-gateway) with these names",
        ],
    },
    Command {
        name: "fuzz",
        synopsis: "fuzz [TARGET…] [--seconds N] [--minimize]",
        text: &[
            "fuzzes each TARGET, or all targets, for N seconds each (default: 120);",
            "--minimize: does not fuzz, and keeps in fuzz/corpus the fewest inputs with the same coverage",
        ],
    },
    Command {
        name: "sanitize",
        synopsis: "sanitize [NAME…]",
        text: &[
            "runs the tests of the core, the shell and the native module (in a simulated Envoy) under AddressSanitizer with",
            "LeakSanitizer and under ThreadSanitizer, and those of the native module under Miri; with NAMEs (address,",
            "thread, miri): only under these; uses a nightly toolchain, adds the components that it lacks, and says which",
            "tests are left out",
        ],
    },
    Command {
        name: "bench",
        synopsis: "bench [--instructions] [NAME…]",
        text: &[
            "measures the filter and the service beside other programs (about 15 minutes) and writes bench/results;",
            "oauth2-proxy, one of these programs, is left out if Go or Redis is missing;",
            "with NAMEs: measures only the variants whose names contain a NAME, and those with which they are",
            "compared, and writes only to the terminal;",
            "--instructions: instead of CPU time, counts instructions, which are the same on a busy",
            "machine, and writes only to the terminal",
        ],
    },
    Command {
        name: "scale",
        synopsis: "scale [--NAME VALUE…]",
        text: &[
            "simulates 102,000 sessions at 4 Envoys and 3 replicas with a modelled authorization server, while parts",
            "are replaced, killed or made unreachable (about 15 minutes), and writes bench/results/scale.md;",
            "with NAMEs, such as --sessions 2000 --minutes 2: writes only to the terminal; they are sessions,",
            "sign-ins, minutes, factor, visits-per-second, limit-per-second, replay-seconds, envoys and seed",
        ],
    },
    Command {
        name: "wasm",
        synopsis: "wasm",
        text: &["builds the filter as a proxy-wasm module: target/wasm/bff_filter.wasm"],
    },
    Command {
        name: "module",
        synopsis: "module [--target TARGET]",
        text: &[
            "builds the filter as a native module, target/native/libbff_module.so, and prints its SHA-256;",
            "--target x86_64-unknown-linux-gnu or aarch64-unknown-linux-gnu: for an architecture other than this",
            "machine's, the file is target/native/TARGET/libbff_module.so",
        ],
    },
    Command {
        name: "image",
        synopsis: "image [--reproduce]",
        text: &[
            "writes the filter for publication to target/image: proxy-wasm module, native modules (only on Linux with",
            "x86-64), images, bills of materials, checksums",
            "--reproduce: builds the modules in another folder too, and compares them",
        ],
    },
    Command {
        name: "deny",
        synopsis: "deny",
        text: &["checks licenses, sources, bans and advisories of the dependencies"],
    },
    Command {
        name: "walk",
        synopsis: "walk [DOCUMENT…] [--with WORD…] [--into FOLDER]",
        text: &[
            "runs the commands of the documents in a clean clone of the current commit;",
            "--with: also commands that need a WORD (cluster, docker, …); --into: keeps the clone",
        ],
    },
    Command {
        name: "help",
        synopsis: "help [COMMAND]",
        text: &["prints this text, or that of one COMMAND, as COMMAND --help does"],
    },
];

const ENVIRONMENT: &str = "\
environment of up and compose:
  BFF_DEMO_DOMAIN      the parent domain of the demo's hosts (default: example.localhost)
  BFF_DEMO_PORT        Envoy's TLS port (default: 8443)
environment of up alone:
  BFF_DEMO_PORTS       the first of nine consecutive ports for everything behind Envoy and for Envoy's admin interface
                       (default: 3001 to 3005, 3013, 3015, 6379 and 9901)
  BFF_DEMO_DIRECTORY   the folder of the demo's certificates, secrets and logs (default: target/demo); a second demo needs
                       another one
  BFF_DEMO_ONE_ORIGIN  1: the service and the API are on the page's own origin, as Safari needs it below localhost (default: 0)
  BFF_DEMO_WEB_ORIGIN  the origin of your own page for the demo, such as http://localhost:5173 (default: none)
  BFF_DEMO_OTLP        the address to which the demo sends spans, by OTLP over HTTP, such as 127.0.0.1:4318 (default: none)
environment of test:
  PREVIOUS_BFF_SERVICE and PREVIOUS_FILTER
                       a bff-service and a bff_filter.wasm of the last release, if they cannot be built from the history
  CUSTOM_RESOURCE_DEFINITIONS
                       a folder with the custom resource definitions of Istio and Envoy Gateway
environment of all commands that run these programs:
  CHROMIUM, ENVOY, ETCD, HELM, KUBECTL, NGINX, PROMTOOL, REDIS_SERVER, SCHEMATHESIS
                       the path of the program to use instead of the one that is found";

/// The width of the column before the text. A longer synopsis has a line of its own.
const COLUMN_CHARS: usize = 28;

/// All commands.
pub(crate) fn all() -> String {
    let commands: String = COMMANDS.iter().map(Command::help).collect();
    format!("usage: cargo xtask COMMAND\n\n{commands}\n{ENVIRONMENT}")
}

/// One command; `None` if no command has this name.
pub(crate) fn of(name: &str) -> Option<String> {
    let command = COMMANDS.iter().find(|command| command.name == name)?;
    let environment = match name {
        "up" | "compose" | "test" | "bench" => format!("\n{ENVIRONMENT}"),
        _ => String::new(),
    };
    Some(format!("usage: cargo xtask COMMAND\n\n{}{environment}", command.help()))
}

impl Command {
    fn help(&self) -> String {
        let mut lines = String::new();
        let (first, rest) = match (self.synopsis.len() < COLUMN_CHARS, self.text) {
            (true, [first, rest @ ..]) => (*first, rest),
            (_, all) => ("", all),
        };
        lines.push_str(format!("  {:COLUMN_CHARS$}{first}", self.synopsis).trim_end());
        lines.push('\n');
        for line in rest {
            lines.push_str(&format!("  {:COLUMN_CHARS$}{line}\n", ""));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_in_the_help_and_has_one_of_its_own() {
        for command in &COMMANDS {
            assert!(command.synopsis.starts_with(command.name));
            assert!(all().contains(&command.help()));
            assert!(of(command.name).is_some_and(|help| help.contains(command.synopsis)));
        }
        assert_eq!(of("unknown"), None);
    }
}
