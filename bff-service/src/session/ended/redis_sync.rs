//! What replicas share about sessions that are over: a sorted set in Redis, by the time at which they ended (the one up to
//! which they are over, less what clocks may differ: so it was always written). Each replica
//! adds to it, and reads every second what the others added lately. What could not be added at its time is added later,
//! with the time at which it ended, where nobody would look any more: another marker tells them to read all of it.

use std::time::Duration;

use bff_core::session::ended_sessions::Ended;

use super::list::List;
use crate::session::redis::{Redis, Unavailable};
use crate::{clock, random};

/// How often the others' entries are read.
const INTERVAL: Duration = Duration::from_secs(1);
/// Entries up to this many seconds old are read again each time: clocks of replicas differ.
const OVERLAP_SECONDS: u64 = 120;
/// How many entries are kept at most.
const LIMIT: isize = 10_000;

/// The name of the sorted set.
const ENDED: &str = "ended";
/// The name of a random text that is another one after each late addition.
const MARKER: &str = "ended-marker";

/// Tells the other replicas that this is over until then (UNIX seconds); it was ended here `now`. A failure is in the log
/// and in the metrics; this replica knows anyway, and tells them when it can.
pub async fn publish(redis: &Redis, list: &List, ended: Ended, now: u64, until: u64) {
    if try_publish(redis, list, ended, now, until).await.is_err() {
        list.set_unpublished();
    }
}

async fn try_publish(redis: &Redis, list: &List, ended: Ended, now: u64, mut until: u64) -> Result<(), Unavailable> {
    let mut score = redis::cmd("ZSCORE");
    score.arg(redis.key(ENDED)).arg(ended.to_text());
    if let Some(theirs) = redis.run::<Option<f64>>(&score).await?
        && let theirs = to_until(list, theirs)
        && theirs >= until
    {
        // Another replica ended it just now, and somebody may have signed in there since.
        list.learn(ended, theirs);
        until = list.end(ended, now).unwrap_or(theirs);
    }
    add(redis, list, [(ended, until)]).await
}

/// A score is a float that was a whole number of seconds.
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
    // The newest stay, and not for longer than anybody needs them.
    let mut trim = redis::cmd("ZREMRANGEBYRANK");
    trim.arg(redis.key(ENDED)).arg(0).arg(-LIMIT - 1);
    redis.run::<i64>(&trim).await?;
    let mut expire = redis::cmd("ZREMRANGEBYSCORE");
    let oldest = clock::now().saturating_sub(list.keep());
    expire.arg(redis.key(ENDED)).arg("-inf").arg(oldest);
    redis.run::<i64>(&expire).await?;
    Ok(())
}

/// Reads what the others added, again and again. Never ends.
pub async fn follow(redis: Redis, list: List) {
    // Whatever is known here may be missing there: what ended while Redis was away, or before it lost its memory.
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
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Reads, and tells what the others may not know. `marker` is the one up to which all was read; returns the new one.
async fn follow_once(redis: &Redis, list: &List, marker: Option<String>) -> Result<Option<String>, Unavailable> {
    let mut get = redis::cmd("GET");
    get.arg(redis.key(MARKER));
    // Before the reading: what is added late meanwhile is read the next time.
    let found: Option<String> = redis.run(&get).await?;
    let back = match found.is_some() && found == marker {
        true => OVERLAP_SECONDS,
        false => list.keep(),
    };
    read(redis, list, clock::now().saturating_sub(back)).await?;
    if found.is_none() {
        // Redis has lost its memory.
        list.set_unpublished();
    }
    if list.take_unpublished() {
        add(redis, list, list.entries()).await?;
        let mut set = redis::cmd("SET");
        let new = random::token().map_err(|_| Unavailable)?;
        set.arg(redis.key(MARKER)).arg(new);
        redis.run::<String>(&set).await?;
    }
    Ok(found)
}

/// Reads what the others added lately: before a login, so that it begins after whatever was ended before. A failure is in the log.
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
    for (text, score) in redis.run::<Vec<(String, f64)>>(&command).await? {
        if let Some(ended) = Ended::from_text(&text) {
            list.learn(ended, to_until(list, score));
        }
    }
    Ok(())
}
