//! What replicas share about sessions that are over: a sorted set in Redis, by the time at which they ended. Each replica
//! adds to it, and reads every second what the others added lately. What could not be added at its time is added later,
//! with the time at which it ended, where nobody would look any more: another marker tells them to read all of it.

use std::time::Duration;

use bff_core::ended::Ended;

use super::ended_sessions::EndedList;
use super::redis::{Redis, Unavailable};
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

/// Tells the other replicas. A failure is in the log and in the metrics; this replica knows anyway, and tells them when it
/// can.
pub async fn publish(redis: &Redis, list: &EndedList, ended: Ended, at: u64) {
    if add(redis, [(ended, at)], list.keep()).await.is_err() {
        list.set_unpublished();
    }
}

async fn add(redis: &Redis, entries: impl IntoIterator<Item = (Ended, u64)>, keep: u64) -> Result<(), Unavailable> {
    let mut add = redis::cmd("ZADD");
    add.arg(redis.key(ENDED)).arg("GT");
    let mut count = 0;
    for (ended, at) in entries {
        add.arg(at).arg(ended.to_text());
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
    let oldest = clock::now().saturating_sub(keep);
    expire.arg(redis.key(ENDED)).arg("-inf").arg(oldest);
    redis.run::<i64>(&expire).await?;
    Ok(())
}

/// Reads what the others added, again and again. Never ends.
pub async fn follow(redis: Redis, list: EndedList) {
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
async fn follow_once(redis: &Redis, list: &EndedList, marker: Option<String>) -> Result<Option<String>, Unavailable> {
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
        add(redis, list.entries(), list.keep()).await?;
        let mut set = redis::cmd("SET");
        let new = random::token().map_err(|_| Unavailable)?;
        set.arg(redis.key(MARKER)).arg(new);
        redis.run::<String>(&set).await?;
    }
    Ok(found)
}

async fn read(redis: &Redis, list: &EndedList, since: u64) -> Result<(), Unavailable> {
    let mut command = redis::cmd("ZRANGE");
    command
        .arg(redis.key(ENDED))
        .arg(since)
        .arg("+inf")
        .arg("BYSCORE")
        .arg("WITHSCORES");
    for (text, at) in redis.run::<Vec<(String, f64)>>(&command).await? {
        if let Some(ended) = Ended::from_text(&text) {
            // A score is a float that was a whole number of seconds.
            list.end(ended, at as u64);
        }
    }
    Ok(())
}
