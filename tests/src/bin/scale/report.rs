//! The figures as a page, and what must not be.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::Command;
use std::time::Duration;

use crate::events;
use crate::figures::{Kind, Summary, envoys_reached_on_average};
use crate::pass::Pass;
use crate::population::{LATE_PAUSES, PAUSES};
use crate::settings::Settings;

/// If more pauses than one in this many end late, the run does not count.
const MAX_LATE_ONE_IN: u64 = 50;

/// What must not have happened in a pass.
pub(crate) fn faults(name: &str, pass: &Pass) -> Vec<String> {
    let mut faults = Vec::new();
    for account in pass.accounts.iter().filter(|account| !account.by_kill) {
        faults.push(format!(
            "{name}: a session was lost whose refresh was not in progress at the SIGKILL: family {:?}: {}",
            account.family, account.story
        ));
    }
    let by_kill = pass.accounts.iter().filter(|account| account.by_kill).count();
    if by_kill > pass.in_progress_at_kill {
        faults.push(format!(
            "{name}: {by_kill} sessions were lost by the SIGKILL, more than the {} whose refresh was in progress",
            pass.in_progress_at_kill
        ));
    }
    let (pauses, late) = (pass.counted(PAUSES), pass.counted(LATE_PAUSES));
    if late * MAX_LATE_ONE_IN > pauses {
        faults.push(format!(
            "{name}: {late} of {pauses} pauses ended late, so the machine is too slow for this run, and neither latencies nor losses \
             say anything: stop other programs, or set a smaller --visits-per-second"
        ));
    }
    for what in [
        "responses with another user's token",
        "sessions whose state is unknown at the end",
        "sign-ins that did not succeed",
    ] {
        match pass.counted(what) {
            0 => {}
            count => faults.push(format!("{name}: {count} {what}")),
        }
    }
    faults
}

/// The page.
pub(crate) fn text(settings: &Settings, quiet: &Pass, eventful: &Pass) -> String {
    let mut page = String::new();
    head(&mut page, settings);
    server(&mut page, settings, quiet, eventful);
    sessions(&mut page, eventful);
    latencies(&mut page, settings, quiet, eventful);
    failures(&mut page, settings, eventful);
    costs(&mut page, settings, quiet);
    more_sessions(&mut page, settings, quiet);
    page
}

// Writing to a String does not fail.
macro_rules! line {
    ($page:expr, $($text:tt)*) => {{
        let _ = writeln!($page, $($text)*);
    }};
}

fn head(page: &mut String, settings: &Settings) {
    let seconds = |time: Duration| time.as_secs_f64();
    line!(page, "# A simulation with many sessions\n");
    let date = Command::new("date").args(["-u", "+%Y-%m-%d"]).output();
    let date = date.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).into_owned(),
    );
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    line!(
        page,
        "Run on {} by `cargo xtask scale`, with {processors} processors.\n",
        date.trim()
    );
    line!(
        page,
        "{} Envoys with {} workers each, {} replicas of the service with {} workers each (debug builds), Redis, and a **model** of an \
         authorization server, each in a process of its own. The model rotates refresh tokens and detects a second use, delays each \
         response by {} ms, and answers HTTP 429 with `Retry-After` above {} requests a second to the token endpoint or to the \
         introspection endpoint. Browsers and API are one more process. No TLS. The seed of the users' choices is {}.\n",
        settings.envoys,
        Settings::WORKERS,
        Settings::REPLICAS,
        Settings::WORKERS,
        Settings::LATENCY.as_millis(),
        settings.limit_per_second,
        settings.seed
    );
    line!(
        page,
        "The cookies of {} sessions were sealed before each pass, and {} users sign in during it. The users' time is {} times as fast \
         as the wall's: access tokens live {} s instead of 300 s, results of refreshes are cached {} s instead of {} s, and the \
         authorization server is away {:.1} s instead of 120 s. Latencies, drains and health checks are not faster. A pass takes \
         {:.0} s on the wall. In the quiet pass nothing is replaced, killed or unreachable. In the pass with the events, the four events \
         below happen one after the other.\n",
        settings.sealed,
        settings.sign_ins,
        settings.factor,
        seconds(settings.token_lifetime()),
        settings.wall_replay_seconds(),
        settings.replay_seconds,
        seconds(settings.outage()),
        seconds(settings.length()),
    );
}

fn server(page: &mut String, settings: &Settings, quiet: &Pass, eventful: &Pass) {
    line!(page, "## At the authorization server\n");
    line!(
        page,
        "Visits, calls, connections, access tokens used and refreshes needed are counted by the pages, the other requests by the \
         authorization server. The formula is that of [sizing](../../docs/operations/sizing.md), with each access token's own \
         number of connections, and then with the average.\n"
    );
    line!(page, "| | quiet | with the events |");
    line!(page, "|---|---|---|");
    let mut row = |what: &str, of: &dyn Fn(&Pass) -> String| {
        line!(page, "| {what} | {} | {} |", of(quiet), of(eventful));
    };
    let introspections = |pass: &Pass| pass.at_server("introspection_active");
    let rotations = |pass: &Pass| pass.at_server("refresh_rotated");
    let needed = |pass: &Pass| pass.counted("refreshes that pages needed");
    row("visits", &|pass| pass.counted("visits").to_string());
    row("codes exchanged", &|pass| pass.at_server("signed_in").to_string());
    row("successful calls of the API", &|pass| {
        whole(settings, pass, Kind::Api).count.to_string()
    });
    row("access tokens used: the fewest introspections possible", &|pass| {
        pass.tokens_used().to_string()
    });
    row("**introspections of active access tokens**", &|pass| {
        introspections(pass).to_string()
    });
    row("ratio", &|pass| {
        ratio(introspections(pass) as f64, pass.tokens_used() as f64)
    });
    row("connections on which an access token was used, on average", &|pass| {
        format!("{:.2}", pass.connections_of_a_token())
    });
    row("introspections by the formula, and its error", &|pass| {
        let (each, average) = pass.predicted_introspections(settings.envoys);
        let error = |predicted: f64| 100.0 * (predicted / introspections(pass) as f64 - 1.0);
        format!(
            "{each:.0} ({:+.1} %); from the average {average:.0} ({:+.1} %)",
            error(each),
            error(average)
        )
    });
    row("introspections answered with HTTP 429", &|pass| {
        pass.at_server("introspection_limited").to_string()
    });
    row("introspections of inactive access tokens", &|pass| {
        pass.at_server("introspection_inactive").to_string()
    });
    row("refreshes that pages needed: the fewest rotations possible", &|pass| {
        needed(pass).to_string()
    });
    row("**rotations**", &|pass| rotations(pass).to_string());
    row("ratio", &|pass| ratio(rotations(pass) as f64, needed(pass) as f64));
    row("second uses of a refresh token (each ends a session)", &|pass| {
        pass.at_server("refresh_reused").to_string()
    });
    row("token requests answered with HTTP 429", &|pass| {
        pass.at_server("token_limited").to_string()
    });
    row("most token requests in a second", &|pass| {
        pass.server["most_token_requests_in_a_second"].to_string()
    });
    row("most introspections in a second", &|pass| {
        pass.server["most_introspections_in_a_second"].to_string()
    });
    line!(page, "");
}

fn sessions(page: &mut String, pass: &Pass) {
    let by_kill = pass.accounts.iter().filter(|account| account.by_kill).count();
    line!(page, "## Sessions lost\n");
    line!(
        page,
        "- by a cause other than SIGKILL: {}",
        pass.accounts.len() - by_kill
    );
    line!(
        page,
        "- by SIGKILL: {by_kill}; at that moment {} refreshes were in progress at the three replicas\n\n\
         Each lost session, by its family of refresh tokens, with its last attempts to refresh as the page and the authorization \
         server noted them. A family is the refresh tokens since a sign-in, each with the number of its generation. Then the \
         events. Times are in milliseconds since 1970.\n",
        pass.in_progress_at_kill
    );
    for account in &pass.accounts {
        let family = account
            .family
            .map_or_else(|| "?".to_owned(), |family| family.to_string());
        line!(page, "- family {family}: {}", account.story);
    }
    for happened in &pass.happened {
        line!(
            page,
            "- {}: at {}, everything in place again after {:.1} s",
            happened.event.name(),
            happened.at,
            happened.took.as_secs_f64()
        );
    }
    line!(
        page,
        "\nNumbers that the pages noted in the pass with the events. A pause is the time between two calls of a user.\n"
    );
    for (name, count) in &pass.notes.counts {
        line!(page, "- {name}: {count}");
    }
    line!(page, "");
}

fn latencies(page: &mut String, settings: &Settings, quiet: &Pass, eventful: &Pass) {
    line!(page, "## Latency\n");
    line!(
        page,
        "p99 of the successful requests from one moment of the first column to the next, in ms, in the quiet pass and with the \
         event. `failed`: of the requests in the pass with the events whose response was not HTTP 401, those without success.\n"
    );
    line!(
        page,
        "| from | API: quiet | with the event | ratio | failed | refresh: quiet | with the event | ratio | failed |"
    );
    line!(page, "|---|---|---|---|---|---|---|---|---|");
    let length = settings.length();
    let begins = std::iter::once(("the beginning", 0.0)).chain(events::ALL.map(|(event, share)| (event.name(), share)));
    let ends = events::ALL.iter().map(|(_, share)| *share).chain([10.0]);
    for ((name, from), to) in begins.zip(ends) {
        let (from, to) = (length.mul_f64(from), length.mul_f64(to));
        let of = |pass: &Pass, kind| Summary::of(&pass.notes.samples, kind, from, to);
        let mut cells = String::new();
        for kind in [Kind::Api, Kind::Refresh] {
            let (before, now) = (of(quiet, kind), of(eventful, kind));
            let _ = write!(
                cells,
                " {:.0} | {:.0} | {} | {} of {} |",
                before.p99,
                now.p99,
                ratio(now.p99, before.p99),
                now.failed,
                now.failed + now.count
            );
        }
        line!(page, "| {name} |{cells}");
    }
    line!(page, "");
}

fn costs(page: &mut String, settings: &Settings, quiet: &Pass) {
    line!(page, "## CPU time and memory\n");
    line!(
        page,
        "The quiet pass. CPU time of debug builds except for Envoy, the filter and Redis.\n"
    );
    line!(page, "| process | CPU seconds | largest resident set, MiB |");
    line!(page, "|---|---|---|");
    for used in &quiet.used {
        let memory = match used.peak_mib > 0.0 {
            true => format!("{:.0}", used.peak_mib),
            false => "not measured".to_owned(),
        };
        line!(page, "| {} | {:.1} | {memory} |", used.name, used.cpu_seconds);
    }
    let took = quiet.took.as_secs_f64();
    let all: f64 = quiet.used.iter().map(|used| used.cpu_seconds).sum();
    let rotations = quiet.at_server("refresh_rotated").max(1) as f64;
    let requests = |kind| whole(settings, quiet, kind);
    let at_envoy: usize = [Kind::Api, Kind::Refresh, Kind::Session, Kind::SignIn]
        .map(|kind| requests(kind).count + requests(kind).unauthorized + requests(kind).failed)
        .iter()
        .sum();
    line!(page, "");
    line!(
        page,
        "- all processes: {:.2} processors on average over {took:.0} s",
        all / took
    );
    line!(
        page,
        "- requests to the Envoys: {at_envoy}, {:.0} a second",
        at_envoy as f64 / took
    );
    line!(
        page,
        "- Envoys' CPU time a request: {:.0} µs",
        1e6 * quiet.used_by("envoy").0 / at_envoy.max(1) as f64
    );
    line!(page, "- refreshes a second: {:.1}", rotations / took);
    let of_refreshes = quiet.redis_commands as f64 - quiet.redis_idle_per_second * took;
    line!(
        page,
        "- Redis: {:.1} commands a refresh, {:.1} a second without any; {:.1} MiB at most",
        of_refreshes / rotations,
        quiet.redis_idle_per_second,
        quiet.redis_peak_bytes as f64 / 1_048_576.0
    );
    line!(page, "");
}

/// What failed after each event, by what the pages saw.
fn failures(page: &mut String, settings: &Settings, eventful: &Pass) {
    line!(
        page,
        "Requests in the pass with the events whose response was neither success nor HTTP 401, with its status (0: no \
         response), in the same times:\n"
    );
    line!(page, "| from | requests |");
    line!(page, "|---|---|");
    let begins = events::ALL.map(|(event, share)| (event.name(), settings.length().mul_f64(share)));
    let ends = begins.iter().skip(1).map(|(_, begin)| *begin).chain([Duration::MAX]);
    for ((name, from), to) in begins.iter().zip(ends) {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let within = eventful
            .notes
            .samples
            .iter()
            .filter(|sample| sample.at >= *from && sample.at < to);
        for sample in within.filter(|sample| !matches!(sample.status, 200..=299 | 401)) {
            *counts
                .entry(format!("{} {}", sample.kind.name(), sample.status))
                .or_default() += 1;
        }
        let cells: Vec<String> = counts.iter().map(|(what, count)| format!("{what}: {count}")).collect();
        line!(page, "| {name} | {} |", cells.join(", "));
    }
    line!(page, "");
}

/// The formulas of `docs/operations/sizing.md` with this run's figures. In the users' time, since the run is faster.
fn more_sessions(page: &mut String, settings: &Settings, quiet: &Pass) {
    let per_second = |count: f64| count / (quiet.took.as_secs_f64() * settings.factor);
    let sessions = f64::from(settings.sealed + settings.sign_ins);
    let calls = per_second(whole(settings, quiet, Kind::Api).count as f64);
    let tokens = per_second(quiet.tokens_used() as f64);
    let refreshes = per_second(quiet.counted("refreshes that pages needed") as f64);
    let connections = quiet.connections_of_a_token();
    line!(page, "## Extrapolation to more sessions\n");
    line!(
        page,
        "In a second of the users' time, with the same users: {connections:.2} connections for each access token. On the wall the run \
         had {} times the rates of the first row, apart from the Redis commands without any refresh.\n",
        settings.factor
    );
    line!(
        page,
        "| sessions | Envoys | API calls | refreshes | introspections: at least | by the formula | Redis commands |"
    );
    line!(page, "|---|---|---|---|---|---|---|");
    let rotations = quiet.at_server("refresh_rotated").max(1) as f64;
    let idle = quiet.redis_idle_per_second;
    let commands = (quiet.redis_commands as f64 - idle * quiet.took.as_secs_f64()) / rotations;
    let now = f64::from(settings.envoys);
    for (times, envoys) in [
        (1.0, now),
        (10.0, now),
        (10.0, 10.0 * now),
        (100.0, now),
        (100.0, 100.0 * now),
    ] {
        line!(
            page,
            "| {:.0} | {envoys:.0} | {:.0} | {:.1} | {:.1} | {:.1} | {:.0} |",
            sessions * times,
            calls * times,
            refreshes * times,
            tokens * times,
            tokens * times * envoys_reached_on_average(envoys, connections),
            refreshes * times * commands + idle
        );
    }
}

fn whole(settings: &Settings, pass: &Pass, kind: Kind) -> Summary {
    Summary::of(&pass.notes.samples, kind, Duration::ZERO, settings.length() * 10)
}

fn ratio(of: f64, to: f64) -> String {
    if to > 0.0 {
        format!("× {:.2}", of / to)
    } else {
        "–".to_owned()
    }
}
