// The session in Svelte, as a readable store: `$session` in a component.

import type { BffClient, Claims } from './index.js';
import { follow, type SessionView } from './view.js';

/** Svelte's store contract. */
export interface SessionStore<C extends object = Claims> {
  /** Calls `run` with the present session and after each change of it. Returns a function that stops this. */
  subscribe(run: (session: SessionView<C>) => void): () => void;
}

/**
 * The session, updated by every event in any tab. The first subscription handles the page load, unless that has been done.
 * @param pageUrl as for `onPageLoad`
 */
export function sessionStore<C extends object = Claims>(client: BffClient<C>, pageUrl?: string): SessionStore<C> {
  return { subscribe: (run) => follow(client, run, pageUrl) };
}

export type { SessionView };
