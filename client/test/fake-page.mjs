// Fakes of the parts of a browser's page that Node.js lacks, as far as the client uses them, and a BFF that misbehaves on
// demand. tests/browser/client.test.mjs tests the behavior with the real ones in Chromium.

import { after } from 'node:test';

export const WWW = 'https://www.example.com';
export const API = 'https://api.example.com';

/** Locks by name, across all clients of this process: each client is a tab. */
class FakeLocks {
  #last = new Map();

  request(name, { signal }, work) {
    let isHeld = false;
    const turn = (this.#last.get(name) ?? Promise.resolve()).then(() => {
      signal?.throwIfAborted();
      isHeld = true;
      return work();
    });
    this.#last.set(name, turn.catch(() => {}));
    // The signal ends the waiting, not the work under the lock.
    const aborted = new Promise((_, reject) => {
      signal?.addEventListener('abort', () => { if (!isHeld) reject(signal.reason); });
    });
    return Promise.race([turn, aborted]);
  }
}

/** The channel of Node.js alone would keep the process alive. */
class ClosedChannel extends BroadcastChannel {
  static open = [];

  constructor(name) {
    super(name);
    ClosedChannel.open.push(this);
  }

  static closeAll() {
    for (const channel of ClosedChannel.open.splice(0)) channel.close();
  }
}

after(() => ClosedChannel.closeAll());

function define(values) {
  for (const [name, value] of Object.entries(values)) {
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
}

/** A page at this URL, with a browser and a BFF of its own unless they are given: what a tab and all tabs have stored. */
export function fakePage({
  path = '/', locks = new FakeLocks(), isSecureContext = true, bff = new FakeBff(), ofTab = new Map(), ofAllTabs = new Map(),
} = {}) {
  ClosedChannel.closeAll();
  const storage = (stored) => ({
    getItem: (name) => stored.get(name) ?? null,
    setItem: (name, value) => void stored.set(name, value),
    removeItem: (name) => void stored.delete(name),
  });
  const page = {
    bff,
    warnings: [],
    /** The URLs that were shown without being loaded. */
    shown: [],
    events: new EventTarget(),
  };
  const location = new URL(path, WWW);
  define({
    location,
    document: { baseURI: `${WWW}/` },
    history: {
      state: { router: 1 },
      replaceState(state, _, url) {
        const shown = new URL(url, location.href);
        if (shown.origin !== WWW) throw new DOMException('another origin', 'SecurityError');
        location.href = shown.href;
        page.shown.push(shown.pathname + shown.search + shown.hash);
      },
    },
    sessionStorage: storage(ofTab),
    localStorage: storage(ofAllTabs),
    navigator: { locks },
    isSecureContext,
    BroadcastChannel: ClosedChannel,
    console: { ...console, warn: (text) => page.warnings.push(text) },
    addEventListener: page.events.addEventListener.bind(page.events),
    reportError: (error) => page.warnings.push(error.message),
    fetch: async (input, init) => {
      const request = new Request(input instanceof Request ? input : new URL(input, WWW), init);
      return page.bff.fetch(request, init);
    },
  });
  return page;
}

const json = (status, body) => new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json' } });
const refused = (code = 'unauthorized_request') => json(401, { code, message: 'Access denied.' });

/** BFF, filter and API, with the state that a real browser's cookies would hold. */
export class FakeBff {
  /** `{ user, csrf, seconds }`. */
  session;
  isTokenValid = true;
  /** Whether the filter refuses every request. */
  isApiClosed = false;
  /** What the filter requires of the user's authentication, beyond that of the session. */
  required;
  /** The response to a refresh, instead of the usual one. */
  refreshFault;
  /** The response of another server in place of the BFF. */
  instead;
  /** Runs before a response is made, by method and path. */
  before = {};
  /** When the session ends, in milliseconds since 1970, and after how many seconds without activity. */
  endsAt;
  idleSeconds;
  /** How many seconds a session lives after a refresh, if the refresh prolongs it. */
  prolongsSeconds;
  requests = [];

  logIn(user = 'alice', csrf = `csrf of ${user}`) {
    this.session = { user, csrf, seconds: 5, activeAt: Date.now() };
    this.isTokenValid = true;
    return this;
  }

  /** The members of a response that say when the session ends. An earlier version has none. */
  ends() {
    const { endsAt, idleSeconds, session } = this;
    if (endsAt === undefined) return {};
    const seconds = (at) => Math.max(0, Math.floor((at - Date.now()) / 1000));
    const idleEnd = session.activeAt + idleSeconds * 1000;
    return {
      sessionExpiresIn: seconds(endsAt),
      idleExpiresIn: idleSeconds === undefined ? null : seconds(Math.min(idleEnd, endsAt)),
      idleTimeout: idleSeconds ?? null,
    };
  }

  hasEnded() {
    const { endsAt, idleSeconds, session } = this;
    return session && (Date.now() >= endsAt || Date.now() >= session.activeAt + idleSeconds * 1000);
  }

  count(line) {
    return this.requests.filter((request) => request.line === line).length;
  }

  async fetch(request, init) {
    request.signal.throwIfAborted();
    const { origin, pathname } = new URL(request.url);
    const line = `${request.method} ${pathname}`;
    if (this.hasEnded()) this.session = undefined;
    const { csrf } = this.session ?? {};
    const body = await request.clone().text();
    this.requests.push({
      line, origin, body, init, csrf: request.headers.get('x-example-csrf'), credentials: request.credentials, redirect: request.redirect,
    });
    await this.before[line]?.();
    // A turn of the event loop: concurrent calls stay concurrent.
    await new Promise((resolve) => { setImmediate(resolve); });
    request.signal.throwIfAborted();
    const isMeant = this.session && request.headers.get('x-example-csrf') === csrf && csrf === this.session?.csrf;
    if (this.instead && pathname.startsWith('/bff/')) return this.instead();
    switch (line) {
      case 'POST /bff/login/start':
        return json(200, { authorizationRequestUrl: this.authorizationRequestUrl ?? 'https://login.example.com/authorize?x=1' });
      case 'POST /bff/login/end': {
        const query = new URL(JSON.parse(body).pageUrl).searchParams;
        if (query.has('error')) return json(400, { code: query.get('error'), message: 'The login was refused.' });
        if (query.get('state') === 'signed-out') return json(200, { handled: true, isLoggedIn: false });
        if (!query.has('code')) return json(200, { handled: false, isLoggedIn: this.session !== undefined });
        this.logIn();
        return json(200, { handled: true, isLoggedIn: true, csrf: this.session.csrf });
      }
      case 'GET /bff/session':
        return json(200, this.session
          ? { isLoggedIn: true, csrf: this.session.csrf, accessTokenExpiresIn: this.isTokenValid ? this.session.seconds : 0, claims: { iss: 'i', sub: this.session.user }, ...this.ends() }
          : { isLoggedIn: false });
      case 'POST /bff/refresh':
        if (this.refreshFault) return this.refreshFault();
        if (!isMeant) return refused();
        this.isTokenValid = true;
        this.session.seconds += 300;
        if (this.prolongsSeconds) this.endsAt = Date.now() + this.prolongsSeconds * 1000;
        return new Response(null, { status: 204 });
      case 'POST /bff/touch':
        if (!isMeant) return refused();
        this.session.activeAt = Date.now();
        return json(200, this.ends());
      case 'POST /bff/logout':
        if (!isMeant) return refused();
        this.session = undefined;
        return json(200, { url: 'https://login.example.com/end?x=1', ...(JSON.parse(body || '{}').everywhere && { notDone: ['other_tokens'] }) });
      default: {
        if (origin !== API) return new Response('elsewhere');
        const isSafe = request.method === 'GET';
        if (this.isApiClosed || !this.session || !this.isTokenValid || !(isSafe || isMeant)) return refused('unauthorized');
        if (this.required) return json(401, { code: 'insufficient_user_authentication', message: 'Again.', ...this.required });
        return json(200, { user: this.session.user, body });
      }
    }
  }

  static unavailable = () => json(502, { code: 'authorization_server_error', message: 'The authorization server has a problem.' });
  static expired = (bff) => () => {
    bff.session = undefined;
    return refused('session_expired');
  };
}
