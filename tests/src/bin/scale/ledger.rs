//! Accounts for each lost session, with what its page and the modelled authorization server have noted.

use serde_json::Value;

use crate::world::{Attempt, Loss};

/// A lost session with its cause.
pub(crate) struct Account {
    pub(crate) family: Option<u32>,
    /// Whether it was in the middle of a refresh at the SIGKILL, which is the only cause that is accepted.
    pub(crate) by_kill: bool,
    /// The notes of both sides.
    pub(crate) story: String,
}

/// Accounts for a loss. `uses` is the server's log of the family (`Grants::uses`), `killed_at` the time of the SIGKILL in
/// milliseconds since 1970.
pub(crate) fn account(loss: &Loss, uses: &Value, killed_at: Option<u64>) -> Account {
    let by_kill =
        killed_at.is_some_and(|killed_at| loss.attempts.iter().any(|attempt| is_cut_off(attempt, uses, killed_at)));
    let attempts = loss
        .attempts
        .iter()
        .map(|attempt| format!("{} to {}: {}", attempt.started_at, attempt.ended_at, attempt.outcome));
    let mut story = format!("page: {}", attempts.collect::<Vec<_>>().join("; "));
    let last = uses
        .as_array()
        .map(|uses| uses.iter().rev().take(3).rev())
        .into_iter()
        .flatten();
    for one in last {
        story.push_str(&format!(
            "; server: generation {} received {} answered {} {}",
            one["generation"],
            one["received_at"],
            one["answered_at"],
            one["outcome"].as_str().unwrap_or_default()
        ));
    }
    if let Some(killed_at) = killed_at {
        story.push_str(&format!("; SIGKILL at {killed_at}"));
    }
    Account {
        family: loss.family,
        by_kill,
        story,
    }
}

/// Whether the attempt was in progress at the SIGKILL, and the server rotated the refresh token for it.
fn is_cut_off(attempt: &Attempt, uses: &Value, killed_at: u64) -> bool {
    let in_progress = attempt.started_at..=attempt.ended_at;
    let rotated = |one: &Value| {
        one["outcome"] == "rotated" && one["received_at"].as_u64().is_some_and(|at| in_progress.contains(&at))
    };
    in_progress.contains(&killed_at) && uses.as_array().into_iter().flatten().any(rotated)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn loss(started_at: u64, ended_at: u64) -> Loss {
        Loss {
            family: Some(7),
            attempts: vec![Attempt {
                started_at,
                ended_at,
                outcome: "no response".to_owned(),
            }],
        }
    }

    #[test]
    fn only_a_refresh_that_was_in_progress_and_has_used_the_token_explains_a_loss() {
        let used = json!([{"generation": 0, "received_at": 110, "answered_at": 160, "outcome": "rotated"}]);
        let unused = json!([{"generation": 0, "received_at": 500, "answered_at": 550, "outcome": "reused"}]);
        assert!(account(&loss(100, 130), &used, Some(120)).by_kill);
        assert!(!account(&loss(100, 130), &unused, Some(120)).by_kill);
        assert!(!account(&loss(100, 105), &used, Some(120)).by_kill);
        assert!(!account(&loss(100, 130), &used, None).by_kill);
    }
}
