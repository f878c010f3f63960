// The session as the frameworks' entries show it.

import type { BffClient, Claims, Session } from './index.js';

/** A component's view of the session. */
export interface SessionView<C extends object = Claims> extends Session<C> {
  /** Whether it is not known yet whether a user is signed in, and no page load has failed. */
  readonly isLoading: boolean;
}

/** The view of this session. */
export function view<C extends object>(session: Session<C>): SessionView<C> {
  return { ...session, isLoading: session.isLoggedIn === undefined && !session.error };
}

/** Completes the page load, unless that has been done. If the page load fails, `error` of the session says why. */
export function load<C extends object>(client: BffClient<C>, pageUrl?: string): void {
  if (client.current.isLoggedIn === undefined) client.onPageLoad(pageUrl).catch(() => {});
}

/**
 * Calls `show` with the present session and after each change of it, and completes the page load. Returns a function that stops
 * this. On a server that renders pages, it only calls `show`.
 */
export function follow<C extends object>(
  client: BffClient<C>,
  show: (session: SessionView<C>) => void,
  pageUrl?: string,
): () => void {
  show(view(client.current));
  if (typeof document === 'undefined') return () => {};
  const stop = client.subscribe((_, session) => show(view(session)));
  load(client, pageUrl);
  return stop;
}
