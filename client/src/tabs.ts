// The tabs of one browser share the session's cookies: one tab at a time changes them, and the others receive
// an event.

import { waitUntilAborted } from './abort.js';
import type { SessionEvent } from './session.js';

/** The events that one tab sends to the others. */
export type TabEvent = Exclude<SessionEvent, 'loaded' | 'session_expiring' | 'failed'>;

/** This tab among those of the browser. */
export class Tabs {
  readonly #name: string;
  readonly #channel: BroadcastChannel | undefined;
  /** The end of this tab's last change, for a browser without locks across tabs. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(name: string, hear: (event: TabEvent) => void) {
    this.#name = name;
    if (!isSecureContext) {
      console.warn(
        'bff-envoy-client: the page is not a secure context, so the browser keeps no cookie of the BFF: use https or localhost',
      );
    }
    if (globalThis.BroadcastChannel) {
      this.#channel = new BroadcastChannel(name);
      this.#channel.onmessage = ({ data }: MessageEvent<TabEvent>) => hear(data);
    }
  }

  /** Sends an event to the other tabs. */
  tell(event: TabEvent): void {
    this.#channel?.postMessage(event);
  }

  /**
   * Runs `work` while no other tab runs its own. Without Web Locks, only the changes of one tab wait for each other: several
   * tabs may then refresh at the same time, and the BFF makes one refresh for all of them.
   * @param waitMs how long to wait for a change in progress, in milliseconds. Then `work` runs beside it
   */
  async runAlone<T>(work: () => Promise<T>, waitMs?: number): Promise<T> {
    let begun = false;
    const begin = () => {
      begun = true;
      return work();
    };
    const options: LockOptions = waitMs ? { signal: AbortSignal.timeout(waitMs) } : {};
    try {
      const locks = navigator.locks as LockManager | undefined;
      if (locks) return await locks.request(this.#name, options, begin);
    } catch (error) {
      // A page with an opaque origin has no locks, although it has their API.
      if (begun) throw error;
    }
    const turn = waitUntilAborted(this.#last, options.signal).catch(() => {}).then(begin);
    this.#last = turn.catch(() => {});
    return turn;
  }
}
