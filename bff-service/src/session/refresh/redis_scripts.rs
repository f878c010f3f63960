//! The Redis scripts of an exchange. Each step is one script, and so atomic.
//!
//! All scripts have the same three keys: the result, the lock, and the mark of an exchange that was begun and not
//! completed. The lock contains the fencing token of its holder, which is random and unique.

/// `ARGV`: a new fencing token; the lifetime of the lock in milliseconds; the lifetime of the mark in seconds; 1, or 0
/// if the caller must not lead. Returns one of these:
///
/// * the result (a string), if there is one;
/// * 1 if the caller has the lock;
/// * 2 if the caller has the lock, and replaces a holder that did not complete the exchange;
/// * nil if another holder has the lock, or the caller must not lead.
pub const JOIN: &str = "
    local outcome = redis.call('GET', KEYS[1])
    if outcome then return outcome end
    if ARGV[4] == '0' or redis.call('EXISTS', KEYS[2]) == 1 then return false end
    local begun = redis.call('EXISTS', KEYS[3])
    redis.call('SET', KEYS[3], ARGV[1], 'EX', ARGV[3])
    redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
    return 1 + begun";

/// `ARGV`: as for [`JOIN`], without the last. Renews the lock, or takes it again if it is gone and no other holder has
/// taken it, after Redis has lost its data or was down. Returns 1, or 0 if another holder has the lock or has completed
/// the exchange.
pub const KEEP: &str = "
    local holder = redis.call('GET', KEYS[2])
    if holder == ARGV[1] then return redis.call('PEXPIRE', KEYS[2], ARGV[2]) end
    if holder or redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
    redis.call('SET', KEYS[3], ARGV[1], 'EX', ARGV[3])
    redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
    return 1";

/// `ARGV`: fencing token, result, lifetime of the result in milliseconds. If the caller holds the lock, or no other
/// holder has taken it, publishes: an old result never replaces a newer one. Returns 1, or 0 if another holder has the
/// lock or has completed the exchange.
pub const PUBLISH: &str = "
    local holder = redis.call('GET', KEYS[2])
    if holder ~= ARGV[1] and (holder or redis.call('EXISTS', KEYS[1]) == 1) then return 0 end
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
    redis.call('DEL', KEYS[2], KEYS[3])
    return 1";

/// `ARGV`: a lifetime in milliseconds. From now on, the result is stored no longer than this lifetime.
pub const SHORTEN: &str = "
    if redis.call('PTTL', KEYS[1]) > tonumber(ARGV[1]) then return redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
    return 0";

/// `ARGV`: an outdated result. If it is still stored, removes it.
pub const DISCARD: &str = "
    if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
    return 0";
