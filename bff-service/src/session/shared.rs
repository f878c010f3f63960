//! What replicas share about sessions that are over: a sorted set in Redis, by the time at which they ended. Each replica
//! adds to it and reads from time to time what the others added.

use std::time::Duration;

use bff_core::ended::Ended;

use super::ended_sessions::EndedList;
use super::redis::{Redis, Unavailable};
use crate::clock;

/// How often the others' entries are read.
const INTERVAL: Duration = Duration::from_secs(1);
/// Entries up to this many seconds old are read again each time: clocks of replicas differ.
const OVERLAP_SECONDS: u64 = 120;
/// How many entries are kept at most.
const LIMIT: isize = 10_000;

/// The name of the sorted set.
const ENDED: &str = "ended";

/// Tells the other replicas. A failure is in the log and in the metrics; this replica knows anyway.
pub async fn publish(
    redis: &Redis,
    entries: impl IntoIterator<Item = (Ended, u64)>,
    keep: u64,
) -> Result<(), Unavailable> {
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
    let mut away = true;
    loop {
        let began = clock::now();
        let outcome = match away {
            true => {
                let all = read(&redis, &list, began.saturating_sub(list.keep())).await;
                match all {
                    Ok(()) => publish(&redis, list.entries(), list.keep()).await,
                    Err(error) => Err(error),
                }
            }
            false => read(&redis, &list, began.saturating_sub(OVERLAP_SECONDS)).await,
        };
        away = outcome.is_err();
        tokio::time::sleep(INTERVAL).await;
    }
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
