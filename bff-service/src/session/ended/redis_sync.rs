//! Shares ended sessions between replicas: a sorted set in Redis, whose scores are the times at which the sessions
//! ended (the time up to which they are ended, minus the clock skew, which is the original format). Each replica adds
//! its entries, and polls the recent entries of the others every second. An entry that could not be added in time is
//! added later, with the time at which its sessions ended. The others may no longer read entries of that time: a changed
//! marker tells them to read the whole set.
//!
//! The end of all sessions is in the set with a score above all times, so every poll reads it, and no number of entries
//! displaces it.

use std::time::Duration;

use bff_core::session::ended_sessions::{AllEnded, Ended};

use super::list::List;
use crate::session::redis::{Redis, Unavailable};
use crate::{clock, random};

/// How often a replica polls the entries of the others.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Entries of at most this age, in seconds, are read again each time, because the clocks of replicas differ.
const OVERLAP_SECONDS: u64 = 120;
/// Maximum number of entries of the sorted set.
const MAX_ENTRIES: isize = 10_000;

/// Added to the time in the score of the end of all sessions.
const ALL_SCORE: u64 = 1_000_000_000_000;

/// The key of the sorted set.
const ENDED: &str = "ended";
/// The key of a random string that changes after each late addition.
const MARKER: &str = "ended-marker";

/// Publishes an entry to the other replicas: this replica ended the sessions that began by `until`, at `now` (both in
/// seconds since 1970). Returns whether Redis has the entry. A failure is logged and counted. This replica has the
/// entry anyway, and publishes it when Redis is available again.
pub async fn publish(redis: &Redis, list: &List, ended: Ended, now: u64, until: u64) -> bool {
    let published = try_publish(redis, list, ended, now, until).await;
    if published.is_err() {
        list.set_unpublished();
    }
    published.is_ok()
}

async fn try_publish(redis: &Redis, list: &List, ended: Ended, now: u64, mut until: u64) -> Result<(), Unavailable> {
    let mut score = redis::cmd("ZSCORE");
    score.arg(redis.key(ENDED)).arg(ended.to_text());
    if let Some(theirs) = redis.run::<Option<f64>>(&score).await?
        && let theirs = to_until(list, theirs)
        && theirs >= until
    {
        // Another replica ended these sessions a moment ago, and a user may have signed in there since.
        list.learn(ended, theirs);
        until = list.end(ended, now).unwrap_or(theirs);
    }
    add(redis, list, [(ended, until)]).await
}

/// A score is a float with a whole number of seconds.
fn to_until(list: &List, score: f64) -> u64 {
    (score as u64).saturating_add(list.clock_skew())
}

async fn add(redis: &Redis, list: &List, entries: impl IntoIterator<Item = (Ended, u64)>) -> Result<(), Unavailable> {
    let mut add = redis::cmd("ZADD");
    add.arg(redis.key(ENDED)).arg("GT");
    let mut count = 0;
    for (ended, until) in entries {
        add.arg(until.saturating_sub(list.clock_skew())).arg(ended.to_text());
        count += 1;
    }
    if count == 0 {
        return Ok(());
    }
    redis.run::<i64>(&add).await?;
    // Redis stores only the newest entries, and no longer than needed.
    let mut trim = redis::cmd("ZREMRANGEBYRANK");
    trim.arg(redis.key(ENDED)).arg(0).arg(-MAX_ENTRIES - 1);
    redis.run::<i64>(&trim).await?;
    let mut expire = redis::cmd("ZREMRANGEBYSCORE");
    let oldest = clock::now().saturating_sub(list.keep_seconds());
    expire.arg(redis.key(ENDED)).arg("-inf").arg(oldest);
    redis.run::<i64>(&expire).await?;
    Ok(())
}

/// Publishes the end of all sessions to the other replicas. Returns whether Redis has it. A failure is logged and counted.
/// This replica has it anyway, and publishes it when Redis is available again.
pub async fn publish_all(redis: &Redis, list: &List, all: AllEnded) -> bool {
    let published = add_all(redis, list, all).await;
    if published.is_err() {
        list.set_unpublished();
    }
    published.is_ok()
}

async fn add_all(redis: &Redis, list: &List, all: AllEnded) -> Result<(), Unavailable> {
    let mut add = redis::cmd("ZADD");
    add.arg(redis.key(ENDED)).arg("GT");
    add.arg(ALL_SCORE.saturating_add(all.ended_at)).arg(all.to_text());
    redis.run::<i64>(&add).await?;
    let mut expire = redis::cmd("ZREMRANGEBYSCORE");
    let oldest = clock::now().saturating_sub(list.keep_seconds());
    expire
        .arg(redis.key(ENDED))
        .arg(ALL_SCORE)
        .arg(ALL_SCORE.saturating_add(oldest));
    redis.run::<i64>(&expire).await?;
    Ok(())
}

/// Polls the entries of the other replicas. Never returns.
pub async fn follow(redis: Redis, list: List) {
    // Redis may lack entries of this replica: from the time when Redis was down, or before it lost its data.
    list.set_unpublished();
    let mut marker = None;
    loop {
        marker = match follow_once(&redis, &list, marker).await {
            Ok(marker) => marker,
            Err(Unavailable) => {
                list.set_unpublished();
                None
            }
        };
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Reads new entries, and publishes entries that the others may not have. `marker` is that of the last full read.
/// Returns the new one.
async fn follow_once(redis: &Redis, list: &List, marker: Option<String>) -> Result<Option<String>, Unavailable> {
    let mut get = redis::cmd("GET");
    get.arg(redis.key(MARKER));
    // Before the read: an addition during the read is then read the next time.
    let found: Option<String> = redis.run(&get).await?;
    let back = match found.is_some() && found == marker {
        true => OVERLAP_SECONDS,
        false => list.keep_seconds(),
    };
    read(redis, list, clock::now().saturating_sub(back)).await?;
    if found.is_none() {
        // Redis has lost its data, or is new.
        list.set_unpublished();
    }
    if list.take_unpublished() {
        add(redis, list, list.entries()).await?;
        if let Some(all) = list.all_ended() {
            add_all(redis, list, all).await?;
        }
        let mut set = redis::cmd("SET");
        let new = random::token().map_err(|_| Unavailable)?;
        set.arg(redis.key(MARKER)).arg(new);
        redis.run::<String>(&set).await?;
    }
    Ok(found)
}

/// Reads recent entries, so that a login begins after every logout before it, and a refresh sees a logout at another
/// replica. A failure is logged.
pub async fn catch_up(redis: &Redis, list: &List) {
    let _ = read(redis, list, clock::now().saturating_sub(OVERLAP_SECONDS)).await;
}

async fn read(redis: &Redis, list: &List, since: u64) -> Result<(), Unavailable> {
    let mut command = redis::cmd("ZRANGE");
    command
        .arg(redis.key(ENDED))
        .arg(since)
        .arg("+inf")
        .arg("BYSCORE")
        .arg("WITHSCORES");
    for (name, score) in redis.run::<Vec<(String, f64)>>(&command).await? {
        let ended_at = (score as u64).saturating_sub(ALL_SCORE);
        match (Ended::from_text(&name), AllEnded::from_text(&name, ended_at)) {
            (Some(ended), _) => list.learn(ended, to_until(list, score)),
            (None, Some(all)) => list.learn_all(all),
            // An entry of a later release.
            (None, None) => {}
        }
    }
    Ok(())
}
