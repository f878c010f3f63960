// Slows down guessing of one user's password. In memory: a restart resets it, which is acceptable in a demo.
const FREE_FAILURES = 10;
const PAUSE_MS = 30_000;
const MAX_NAMES = 10_000;

export class Throttle {
  #failures = new Map(); // name → { count, last }

  // Seconds until the next attempt for this name. 0: now.
  retryAfter(name, now = Date.now()) {
    const entry = this.#failures.get(name.toLowerCase());
    if (!entry || entry.count < FREE_FAILURES) return 0;
    return Math.max(0, Math.ceil((entry.last + PAUSE_MS - now) / 1000));
  }

  recordFailure(name, now = Date.now()) {
    const key = name.toLowerCase();
    const count = (this.#failures.get(key)?.count ?? 0) + 1;
    // Deleting first moves the name to the end, so that the first in the map is the one that failed longest ago.
    this.#failures.delete(key);
    this.#failures.set(key, { count, last: now });
    if (this.#failures.size > MAX_NAMES) this.#failures.delete(this.#failures.keys().next().value);
  }

  recordSuccess(name) {
    this.#failures.delete(name.toLowerCase());
  }
}
