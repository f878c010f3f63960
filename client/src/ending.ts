// When the session ends. Requests the session when its end is near, when the end has come, and from time to time, since a session
// may also end elsewhere.

import type { JsonObject } from './http.js';
import type { BffClientOptions } from './options.js';

/** How often a tab checks whether a request is due, in milliseconds: a timer does not run while the computer sleeps. */
const TICK_MS = 10_000;

/** When the session ends, and when to request it. */
export class Ending {
  readonly #warnMs: number;
  readonly #checkMs: number;
  readonly #look: () => Promise<unknown>;
  /** How long the session lives if nothing prolongs it, in milliseconds from the response that said so. */
  #leftMs = Infinity;
  /** The same if the session ends by its idle time, which activity of the user prolongs. Otherwise infinite. */
  #idleMs = Infinity;
  /** The idle time, in milliseconds. */
  #fullMs = Infinity;
  /** When that response arrived, in milliseconds, by two clocks. */
  #date = 0;
  #ticks = 0;
  /** A report of activity is due if less than this is left of the idle time, in milliseconds. */
  #dueMs = Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param look requests the session
   */
  constructor({ warnSeconds = 60, checkSeconds = 300 }: BffClientOptions, look: () => Promise<unknown>) {
    this.#warnMs = warnSeconds * 1000;
    this.#checkMs = checkSeconds * 1000;
    this.#look = look;
  }

  /** Reads when the session ends. A BFF of an earlier version does not say when. */
  read({ sessionExpiresIn, idleExpiresIn, idleTimeout }: JsonObject): void {
    const ms = (seconds: unknown) => (typeof seconds === 'number' ? seconds * 1000 : Infinity);
    const [sessionMs, idleMs] = [ms(sessionExpiresIn), ms(idleExpiresIn)];
    this.#idleMs = idleMs < sessionMs ? idleMs : Infinity;
    this.#fullMs = ms(idleTimeout);
    this.#dueMs = this.#fullMs * 0.9;
    this.#leftMs = Math.min(idleMs, sessionMs);
    this.#date = Date.now();
    this.#ticks = performance.now();
    this.#wait();
  }

  /** There is no session. */
  clear(): void {
    clearTimeout(this.#timer);
    this.#idleMs = Infinity;
  }

  /** When the session ends, in milliseconds since 1970, if that is soon. To be read right after a response. */
  get at(): number | undefined {
    return this.#leftMs <= this.#nearMs ? Date.now() + this.#leftMs : undefined;
  }

  /** Whether the last response is old enough for another request when the user returns to this page. */
  get isStale(): boolean {
    return this.#ageMs > TICK_MS;
  }

  /** Whether to report activity of the user now: at most once in a tenth of the idle time, even if the reports fail. */
  isReportDue(): boolean {
    const leftMs = this.#idleMs - this.#ageMs;
    if (leftMs >= this.#dueMs) return false;
    this.#dueMs = leftMs - this.#fullMs / 10;
    return true;
  }

  /** A session with a short idle time is not always about to end. */
  get #nearMs(): number {
    return Math.min(this.#warnMs, this.#fullMs / 2);
  }

  /** The milliseconds since the response. One clock may be set back, and the other may stop while the computer sleeps. */
  get #ageMs(): number {
    return Math.max(Date.now() - this.#date, performance.now() - this.#ticks);
  }

  /** The milliseconds until the end of the session is near or, if it is near, until the end. */
  get #restMs(): number {
    return (this.at ? this.#leftMs : this.#leftMs - this.#nearMs) - this.#ageMs;
  }

  #wait(hasLooked = this.#restMs <= 0): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      // A timer may fire a moment too early: then the request is not due yet.
      const isDue = this.#restMs <= 0;
      // If this fails, the next tick tries again.
      if (isDue || (this.#ageMs >= this.#checkMs && !document.hidden)) this.#look().catch(() => {});
      this.#wait(isDue);
    }, hasLooked ? TICK_MS : Math.min(this.#restMs, TICK_MS));
  }
}
