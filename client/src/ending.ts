// The end of the session: when it will be, and a look at the session when it is near, when it has come, and from time to time,
// since a session may also end elsewhere.

import type { JsonObject } from './http.js';
import type { BffClientOptions } from './options.js';

/** How often a tab looks whether it is time, in milliseconds: a timer does not run while the computer sleeps. */
const TICK_MS = 10_000;

export class Ending {
  readonly #warnMs: number;
  readonly #checkMs: number;
  readonly #look: () => Promise<unknown>;
  /** How long the session lives if nothing prolongs it, in milliseconds from `#since`. */
  #leftMs = Infinity;
  /** The same, if activity of the user prolongs it; otherwise infinite. */
  #idleMs = Infinity;
  /**
   * The idle time, as far as it is known: a response to a report has it, another one what is left of it. It is never said to be
   * longer than the session.
   */
  #fullMs = 0;
  #since = new Moment();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param look requests the session
   */
  constructor({ warnSeconds = 60, checkSeconds = 300 }: BffClientOptions, look: () => Promise<unknown>) {
    this.#warnMs = warnSeconds * 1000;
    this.#checkMs = checkSeconds * 1000;
    this.#look = look;
  }

  /**
   * Reads when the session ends. A BFF of an earlier version does not say it.
   * @param isReport whether it is the response to a report of activity
   */
  read({ sessionExpiresIn, idleExpiresIn }: JsonObject, isReport?: boolean): void {
    const ms = (seconds: unknown) => (typeof seconds === 'number' ? seconds * 1000 : Infinity);
    const [sessionMs, idleMs] = [ms(sessionExpiresIn), ms(idleExpiresIn)];
    this.#idleMs = idleMs < sessionMs ? idleMs : Infinity;
    this.#fullMs = isReport && idleMs < sessionMs ? idleMs : Math.max(this.#fullMs, idleMs);
    this.#leftMs = Math.min(idleMs, sessionMs);
    this.#since = new Moment();
    this.#wait();
  }

  /** There is no session. */
  clear(): void {
    clearTimeout(this.#timer);
    this.#leftMs = this.#idleMs = Infinity;
    this.#fullMs = 0;
  }

  /** When the session ends, as `Date.now()`, if it is about to. */
  get at(): number | undefined {
    return this.#leftMs <= this.#nearMs ? Date.now() + this.#leftMs : undefined;
  }

  /** Whether activity of the user is worth reporting: a tenth of the idle time is over. */
  get isReportDue(): boolean {
    return this.#idleMs - this.#since.age < this.#fullMs * 0.9;
  }

  /** A session with a short idle time is not always about to end. */
  get #nearMs(): number {
    return Math.min(this.#warnMs, this.#fullMs / 2);
  }

  #wait(): void {
    clearTimeout(this.#timer);
    const endMs = this.at ? this.#leftMs : this.#leftMs - this.#nearMs;
    this.#timer = setTimeout(() => {
      const { age } = this.#since;
      // If this fails, the next tick tries again.
      if (age >= endMs || (age >= this.#checkMs && !document.hidden)) this.#look().catch(() => {});
      this.#wait();
    }, Math.min(Math.max(endMs - this.#since.age, 1000), TICK_MS));
  }
}

/** A point in time. */
class Moment {
  readonly #date = Date.now();
  readonly #ticks = performance.now();

  /** The milliseconds since then. One clock may be set back, and the other one may stop while the computer sleeps. */
  get age(): number {
    return Math.max(Date.now() - this.#date, performance.now() - this.#ticks);
  }
}
