// A browser client for the backend for frontend: sign-in, session, API calls with one refresh and retry, several tabs.
// It holds no token: those are in cookies that script cannot read. No framework in here.

export interface BffConfig {
  /** Where the BFF service is, such as `https://api.example.com/bff`. */
  bffBaseUrl: string;
  /** Where the API is, such as `https://api.example.com/api`. */
  apiBaseUrl: string;
  /** As in the BFF's configuration: it names the CSRF header. */
  cookieNamePrefix: string;
}

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** A refusal or failure. `message` is for people: fixed texts of the BFF, never anything from an URL. */
export class BffError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
    this.name = 'BffError';
  }
}

/** What a page load found. */
export interface PageLoad {
  isLoggedIn: boolean;
  /** True when this page load ended a sign-in. */
  handled: boolean;
  /** A sign-in that failed; the session (if there is another) is not affected. */
  error?: unknown;
}

type SessionListener = (isLoggedIn: boolean) => void;
type TabMessage = 'signed-in' | 'signed-out';

export class BffClient {
  readonly #config: BffConfig;
  readonly #tabs: BroadcastChannel;
  readonly #listeners = new Set<SessionListener>();
  #csrf: string | undefined;
  /** When the access token expires, in this browser's seconds; how tabs notice that another one has refreshed. */
  #expiresAt: number | undefined;

  constructor(config: BffConfig) {
    this.#config = config;
    this.#tabs = new BroadcastChannel(`${config.cookieNamePrefix}-session`);
    this.#tabs.onmessage = ({ data }: MessageEvent<TabMessage>) => {
      if (data === 'signed-out') this.#signedOut();
      else void this.#reread();
    };
    // A page that the browser froze and brings back (the Back button) may have missed what happened meanwhile.
    addEventListener('pageshow', ({ persisted }) => {
      if (persisted) void this.#reread();
    });
  }

  /** Calls `listener` when the session begins or ends, in this tab or another. Returns how to stop. */
  subscribe(listener: SessionListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Ends the sign-in whose answer the URL holds, or finds the existing session.
   * @param pageUrl `location.href` where it may hold the authorization server's answer
   */
  async pageLoad(pageUrl: string | undefined): Promise<PageLoad> {
    let handled = false;
    let error: unknown;
    if (pageUrl !== undefined) {
      try {
        const body = await this.#send('POST', '/login/end', { pageUrl });
        handled = isObject(body) && body['handled'] === true && body['isLoggedIn'] === true;
      } catch (failure) {
        error = failure;
      }
    }
    const isLoggedIn = await this.#readSession();
    if (handled && isLoggedIn) this.#tell('signed-in');
    return { isLoggedIn, handled, ...(error === undefined ? {} : { error }) };
  }

  /** Where the browser must go to sign in. */
  async startLogin(): Promise<string> {
    const body = await this.#send('POST', '/login/start');
    return httpUrl(body, 'authorizationRequestUrl');
  }

  /** Claims about the user. */
  async userInfo(): Promise<Json> {
    return this.#withRetry(() => this.#send('GET', '/userInfo'));
  }

  /** The ID token's claims. */
  async claims(): Promise<Json> {
    return this.#withRetry(() => this.#send('GET', '/claims'));
  }

  /** Calls the API; after an expired access token once more, with a new one. */
  async api(method: string, path: string, body?: Json): Promise<Json> {
    return this.#withRetry(() => this.#request(method, `${this.#config.apiBaseUrl}${path}`, body));
  }

  /** Gets a new access token, whether or not it is needed. */
  async refresh(): Promise<void> {
    await this.#locked(() => this.#refresh());
  }

  /**
   * Ends the session here. Returns where the browser must go to end it at the authorization server as well, if it has
   * such a place.
   */
  async logout(): Promise<string | undefined> {
    let url: string | undefined;
    try {
      const body = await this.#withCurrentCsrf(() => this.#send('POST', '/logout'));
      url = isObject(body) && body['url'] !== null ? httpUrl(body, 'url') : undefined;
    } catch (error) {
      // Refused because there is no session any more: that is what was wanted.
      if (!isUnauthorized(error) || (await this.#readSession())) throw error;
    }
    this.#tell('signed-out');
    // On the way to the authorization server this tab's view need not change any more.
    if (url === undefined) this.#signedOut();
    return url;
  }

  /** Runs `call`; when the session is refused, refreshes it and runs `call` once more. */
  async #withRetry(call: () => Promise<Json>): Promise<Json> {
    try {
      return await call();
    } catch (error) {
      if (!isUnauthorized(error)) throw error;
      await this.#locked(() => this.#recover());
      return call();
    }
  }

  // Tabs share the cookies, and a refresh token is good for one use: one tab at a time.
  #locked(work: () => Promise<void>): Promise<void> {
    return navigator.locks.request(`${this.#config.cookieNamePrefix}-refresh`, work);
  }

  // Under the lock: another tab may have signed in again (other CSRF value) or refreshed (later expiry) since the call.
  async #recover(): Promise<void> {
    const { csrf, expiresAt } = { csrf: this.#csrf, expiresAt: this.#expiresAt };
    await this.#readSession();
    const live = this.#expiresAt !== undefined && this.#expiresAt > now();
    const renewed = expiresAt !== undefined && this.#expiresAt !== undefined && this.#expiresAt > expiresAt + 1;
    if (live && (renewed || (this.#csrf !== undefined && this.#csrf !== csrf))) return;
    await this.#refresh();
  }

  async #refresh(): Promise<void> {
    try {
      await this.#withCurrentCsrf(() => this.#send('POST', '/refresh'));
    } catch (error) {
      if (isUnauthorized(error)) {
        this.#tell('signed-out');
        this.#signedOut();
        throw new BffError(401, 'session_expired', 'Your session has ended. Sign in again.');
      }
      throw error;
    }
    await this.#readSession();
  }

  /** Runs `call`; when it is refused although another CSRF value is valid now, runs it with that one. */
  async #withCurrentCsrf(call: () => Promise<Json>): Promise<Json> {
    const csrf = this.#csrf;
    try {
      return await call();
    } catch (error) {
      if (!isUnauthorized(error)) throw error;
      await this.#readSession();
      if (this.#csrf === undefined || this.#csrf === csrf) throw error;
      return call();
    }
  }

  async #readSession(): Promise<boolean> {
    const session = await this.#send('GET', '/session');
    const { isLoggedIn, csrf, accessTokenExpiresIn } = isObject(session) ? session : {};
    if (typeof csrf === 'string') this.#csrf = csrf;
    this.#expiresAt = typeof accessTokenExpiresIn === 'number' ? now() + accessTokenExpiresIn : undefined;
    return isLoggedIn === true;
  }

  async #reread(): Promise<void> {
    try {
      this.#notify(await this.#readSession());
    } catch {
      // Unreachable just now: the view stays as it is, and the next call says why.
    }
  }

  #signedOut(): void {
    this.#csrf = undefined;
    this.#expiresAt = undefined;
    this.#notify(false);
  }

  #notify(isLoggedIn: boolean): void {
    for (const listener of this.#listeners) listener(isLoggedIn);
  }

  #tell(message: TabMessage): void {
    this.#tabs.postMessage(message);
  }

  #send(method: string, path: string, body?: Json): Promise<Json> {
    return this.#request(method, `${this.#config.bffBaseUrl}${path}`, body);
  }

  async #request(method: string, url: string, body?: Json): Promise<Json> {
    const headers = new Headers({ accept: 'application/json' });
    if (body !== undefined) headers.set('content-type', 'application/json');
    if (method !== 'GET' && this.#csrf !== undefined) headers.set(`x-${this.#config.cookieNamePrefix}-csrf`, this.#csrf);
    let response: Response;
    let text: string;
    try {
      response = await fetch(url, {
        method,
        headers,
        credentials: 'include',
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      text = await response.text();
    } catch {
      throw new BffError(0, 'unreachable', 'The server cannot be reached.');
    }
    const answer = parse(text);
    if (response.ok) return answer;
    const { code, message } = isObject(answer) ? answer : {};
    throw new BffError(
      response.status,
      typeof code === 'string' ? code : 'error',
      typeof message === 'string' ? message : `The server answered with status ${response.status}.`,
    );
  }
}

function isUnauthorized(error: unknown): boolean {
  return error instanceof BffError && error.status === 401;
}

function isObject(value: Json): value is { [name: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parse(text: string): Json {
  try {
    return text === '' ? null : (JSON.parse(text) as Json);
  } catch {
    return null;
  }
}

function httpUrl(body: Json, name: string): string {
  const value = isObject(body) ? body[name] : undefined;
  const url = typeof value === 'string' ? URL.parse(value) : null;
  if (url?.protocol !== 'https:' && url?.protocol !== 'http:') {
    throw new BffError(0, 'unusable_answer', 'The server gave an answer that cannot be used.');
  }
  return url.href;
}

function now(): number {
  return Date.now() / 1000;
}
