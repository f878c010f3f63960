// Streams that stay open while the session continues: the filter, the network and the server may end each of them.

import type { BffClient, Claims } from './index.js';

export interface KeepOpenOptions {
  /**
   * The URL of a cheap GET of the API. The client's `fetch` requests it before each further connection, which refreshes an
   * expired access token, once for all tabs. It does not count as activity of the user.
   */
  readonly probe: string;
  /**
   * The first pause before a further connection, in milliseconds. Each failure doubles it. Up to half of each pause is left out
   * at random. 1,000 by default.
   */
  readonly minPauseMs?: number;
  /** The longest pause, in milliseconds. 30,000 by default. */
  readonly maxPauseMs?: number;
}

/** WebSocket: the server has sent all that it had to send (RFC 6455, section 7.4.1). */
const NORMAL_CLOSURE = 1000;

/**
 * Keeps a stream open while a user is signed in: calls `open` as soon as one is, and again after each lost connection. Closes
 * the stream when the session ends, and opens another one when a user signs in. A WebSocket that its server closes with code
 * 1000 is not opened again until the next sign-in.
 * @param open makes the stream, and adds the listeners of the application
 * @returns a function that closes the stream for good
 */
export function keepOpen<C extends object = Claims>(
  client: BffClient<C>,
  open: () => WebSocket | EventSource,
  { probe, minPauseMs = 1000, maxPauseMs = 30_000 }: KeepOpenOptions,
): () => void {
  let stream: WebSocket | EventSource | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  /** Changes when what is in progress must not continue. */
  let turn = {};
  let failures = 0;
  let hasBegun = false;

  const close = () => {
    turn = {};
    clearTimeout(timer);
    const closed = stream;
    stream = undefined;
    closed?.close();
  };

  const connect = () => {
    close();
    hasBegun = true;
    const opened = (stream = open());
    let openSince = Infinity;
    const lose = (isFinished: boolean) => {
      if (stream !== opened) return;
      // A connection that ends before the longest pause would have passed does not count as a success.
      if (Date.now() - openSince > maxPauseMs) failures = 0;
      close();
      if (!isFinished) connectLater();
    };
    opened.addEventListener('open', () => {
      openSince = Date.now();
    });
    opened.addEventListener('close', (event) => lose((event as CloseEvent).code === NORMAL_CLOSURE));
    // An `EventSource` has no event `close`, and connects again automatically unless it is closed.
    opened.addEventListener('error', () => {
      if ('withCredentials' in opened && opened.readyState === opened.CLOSED) lose(false);
    });
  };

  const connectLater = () => {
    const mine = turn;
    // A random part, so that not all pages connect at the same moment.
    const pause = Math.min(maxPauseMs, minPauseMs * 2 ** failures++) * (0.5 + Math.random() / 2);
    timer = setTimeout(async () => {
      // HTTP 401 (no session) and 5xx (a server is down) mean that it must wait. Other errors do not matter: the stream has
      // permissions of its own.
      const isReady = await client.fetch(probe, { isActivity: false }).then(
        ({ status, body }) => {
          void body?.cancel();
          return status !== 401 && status < 500;
        },
        () => false,
      );
      if (turn !== mine) return;
      if (isReady) connect();
      else connectLater();
    }, pause);
  };

  const stop = client.subscribe((event, { isLoggedIn }) => {
    if (!isLoggedIn) close();
    else if (event === 'logged_in' || !hasBegun) connect();
  });
  if (client.current.isLoggedIn) connect();
  return () => {
    stop();
    close();
  };
}
