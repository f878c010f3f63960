// Sign-in, session and API calls of one page. It holds no token: those are in cookies that script cannot read.

import { type Answer, BffError, call, isUnauthorized, UNUSABLE, webUrl } from './http.js';
import { isLoginAnswer, rememberPlace, remove, restorePlace, takePageUrl } from './page.js';
import { Known, type Session, type SessionEvent, type SessionListener } from './session.js';
import { type TabEvent, Tabs } from './tabs.js';

export interface BffClientOptions {
  /** Where the BFF is: `https://api.example.com/bff`, or `/bff` on the page's own origin. */
  bffUrl: string;
  /** The origins of the APIs behind the gateway; cookies and CSRF value go to no other. Default: the BFF's. */
  apiOrigins?: readonly string[];
  /** As in the BFF's configuration: it names the CSRF header. Default `example`. */
  cookieNamePrefix?: string;
  /** The path of the redirect URI. Needed where other pages have parameters `state` and `code` of their own. */
  redirectPath?: string;
  /** Whether reading calls carry the CSRF header as well: where the filter has `require_header`. Default false. */
  requireHeader?: boolean;
  /** How the browser is sent to the authorization server. Default: `location.assign`. */
  navigate?: (url: string) => void;
}

export interface LoginOptions {
  /** Parameters for the authorization request, such as `{ prompt: 'login' }`; the BFF says which ones it lets through. */
  extraParams?: Readonly<Record<string, string>>;
  /** A path to come back to. Default: where the page is. */
  returnTo?: string;
}

/** What a page load found. */
export interface PageLoad extends Session {
  /** Whether this page load ended a sign-in, well or not. */
  readonly handled: boolean;
  /** Where that sign-in was begun; the address bar shows it again. */
  readonly returnTo?: string | undefined;
  /** Why that sign-in failed. A session that there was before is not affected. */
  readonly error?: BffError | undefined;
}

/** How long signing out waits for a sign-in or a refresh that is under way in another tab. */
const LOGOUT_PATIENCE_MS = 1000;

export class BffClient {
  readonly #options: BffClientOptions;
  readonly #bffUrl: string;
  readonly #apiOrigins: ReadonlySet<string>;
  readonly #csrfHeader: string;
  readonly #tabs: Tabs;
  readonly #listeners = new Set<SessionListener>();
  readonly #known = new Known();
  #current: Session = { isLoggedIn: undefined };
  #pageLoad: Promise<PageLoad> | undefined;
  #renewal: Promise<boolean> | undefined;
  /** The browser is on its way to sign out at the authorization server: this page's view need not change any more. */
  #isLeaving = false;
  /** Why the last refresh failed, and until when none is tried because of that. */
  #failure: unknown;
  #notBefore = 0;
  #asked = 0;
  /** The question whose answer is the newest. */
  #answered = 0;

  constructor(options: BffClientOptions) {
    const { bffUrl, apiOrigins, cookieNamePrefix = 'example' } = options;
    this.#options = options;
    const url = absolute(bffUrl.replace(/\/+$/, ''));
    this.#bffUrl = url.href;
    this.#apiOrigins = new Set((apiOrigins ?? [url.origin]).map((api) => absolute(api).origin));
    this.#csrfHeader = `x-${cookieNamePrefix}-csrf`;
    this.#tabs = new Tabs(`bff ${cookieNamePrefix} ${url.href}`, (event) => void this.#hear(event));
    // A page that the browser froze and brings back (the Back button) may have missed what happened meanwhile.
    addEventListener('pageshow', ({ persisted }) => {
      if (persisted) void this.session().catch(() => {});
    });
  }

  /** The session as it was seen last. */
  get current(): Session {
    return this.#current;
  }

  /** Calls `listener` when something happens to the session, in this tab or another. Returns how to stop. */
  subscribe = (listener: SessionListener): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  /**
   * For the start of the page: ends the sign-in whose answer is in the address, or finds the existing session. The answer is
   * out of the address bar before this returns its promise. Calls that come while one is under way share it.
   * @param pageUrl what `takePageUrl` gave, where it was called earlier
   */
  onPageLoad(pageUrl = takePageUrl(this.#options.redirectPath)): Promise<PageLoad> {
    return (this.#pageLoad ??= this.#load(pageUrl).finally(() => {
      this.#pageLoad = undefined;
    }));
  }

  /** Sends the browser to the authorization server to sign in. It comes back with another load of the page. */
  async login({ extraParams = {}, returnTo }: LoginOptions = {}): Promise<void> {
    const body = { extraParams: Object.entries(extraParams).map(([key, value]) => ({ key, value })) };
    // All pending sign-ins are in one cookie.
    const { authorizationRequestUrl } = await this.#tabs.alone(() => this.#call('POST', '/login/start', body));
    const url = webUrl(authorizationRequestUrl);
    rememberPlace(returnTo);
    this.#navigate(url);
  }

  /** Ends the session here and in all tabs, and sends the browser to end it at the authorization server as well. */
  async logout(): Promise<void> {
    const url = await this.#tabs.alone(async () => {
      let answer: Answer = {};
      try {
        answer = await this.#callWithCurrentCsrf('/logout');
      } catch (error) {
        // Refused because there is no session any more: that is what was wanted.
        if (!isUnauthorized(error) || this.#known.isLoggedIn) throw error;
      }
      this.#tabs.tell('logged_out');
      // What was asked before this must not bring it back.
      this.#answered = ++this.#asked;
      return typeof answer['url'] === 'string' ? webUrl(answer['url']) : undefined;
      // The BFF refuses a refresh that is under way when its session ends: one that hangs keeps nobody here.
    }, LOGOUT_PATIENCE_MS);
    if (url === undefined) {
      this.#end('logged_out');
    } else {
      this.#isLeaving = true;
      this.#navigate(url);
    }
  }

  /** Asks the BFF for the session. */
  async session(): Promise<Session> {
    this.#isLeaving = false;
    await this.#read('session_expired');
    return this.#current;
  }

  /**
   * Gets a new access token, whether or not it is needed: `fetch` does so by itself.
   * @throws BffError with code `session_expired` where the session cannot be renewed
   */
  async refresh(): Promise<void> {
    if (!(await this.#tabs.alone(() => this.#refresh()))) {
      throw new BffError(401, 'session_expired', 'Your session has ended. Sign in again.');
    }
  }

  /**
   * As the browser's `fetch`; to an API's origin with the session's cookies and, where something is changed, the CSRF header.
   * An answer 401 leads to one refresh over all tabs and one further try; what that is answered is returned, whatever it is.
   * @throws BffError where the refresh failed for now (status 502, 503 or 0): nobody is logged out by that
   */
  fetch = async (input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> => {
    const request = input instanceof Request ? input : undefined;
    if (!this.#apiOrigins.has(absolute(request?.url ?? String(input)).origin)) return fetch(input, init);
    const method = (init.method ?? request?.method ?? 'GET').toUpperCase();
    const signal = init.signal ?? request?.signal;
    const needsCsrf = this.#options.requireHeader || !/^(GET|HEAD|OPTIONS)$/.test(method);

    const send = (from: RequestInfo | URL) => {
      const sent: RequestInit = { ...init, headers: new Headers(init.headers ?? request?.headers), credentials: 'include' };
      const { csrf } = this.#known;
      if (needsCsrf && csrf !== undefined) {
        (sent.headers as Headers).set(this.#csrfHeader, csrf);
        // The browser would take the header along, wherever a redirect leads.
        sent.redirect ??= request?.redirect === 'manual' ? 'manual' : 'error';
      }
      return fetch(from, sent);
    };

    await abortable(this.#ready(needsCsrf), signal);
    const { token, user } = this.#known;
    const response = await send(request ? request.clone() : input);
    if (response.status !== 401 || this.#current.isLoggedIn === false) return response;
    // Renewed since it was sent: then that was why.
    const isRenewed = token === this.#known.token ? await abortable(this.#renew(token), signal) : this.#known.isLoggedIn;
    // What one user meant to do is not done as another, and a stream has been read.
    const isSameUser = user === undefined || user === this.#known.user;
    if (!isRenewed || !isSameUser || init.body instanceof ReadableStream) return response;
    void response.body?.cancel();
    return send(input);
  };

  /** Nothing is sent while a sign-in is being ended, nor without a CSRF value that is needed. */
  async #ready(needsCsrf: boolean): Promise<void> {
    try {
      await this.#pageLoad;
      if (needsCsrf && this.#current.isLoggedIn === undefined) await this.#read('session_expired');
    } catch {
      // The call itself shows what is wrong.
    }
  }

  async #load(pageUrl: string | undefined): Promise<PageLoad> {
    let handled = false;
    let returnTo: string | undefined;
    let error: BffError | undefined;
    let isNew = false;
    if (pageUrl !== undefined) {
      const url = new URL(pageUrl);
      handled = isLoginAnswer(url.searchParams);
      try {
        // A refresh that ended later would put the earlier session's cookies in the place of these.
        const answer = await this.#tabs.alone(() => this.#call('POST', '/login/end', { pageUrl }));
        if (!handled && answer['handled'] === true && location.href === pageUrl) remove(url);
        isNew = handled && answer['isLoggedIn'] === true;
      } catch (failure) {
        if (handled) error = failure as BffError;
      }
      if (handled) returnTo = restorePlace();
    }
    const isLoggedIn = await this.#read(isNew ? 'logged_in' : 'session_expired');
    if (isNew && isLoggedIn) this.#tabs.tell('logged_in');
    return { ...this.#current, handled, returnTo, error };
  }

  /** One renewal for all calls of this tab. Gives whether there is a session to try again with. */
  #renew(token: number): Promise<boolean> {
    return (this.#renewal ??= this.#tabs
      .alone(async () => {
        if (!(await this.#read('session_expired'))) return false;
        // Another tab may have been faster, or somebody has signed in again.
        return (this.#known.isLive && this.#known.token !== token) || this.#refresh();
      })
      .finally(() => {
        this.#renewal = undefined;
      }));
  }

  /** The refresh itself; to be done by one tab at a time. */
  async #refresh(): Promise<boolean> {
    if (Date.now() < this.#notBefore) throw this.#failure;
    try {
      await this.#callWithCurrentCsrf('/refresh');
    } catch (error) {
      this.#failure = error;
      // Where nobody says when, it is no number, and later than no time.
      this.#notBefore = Date.now() + (error as { retryAfter: number }).retryAfter * 1000;
      if (!isUnauthorized(error)) throw error;
      if (this.#end('session_expired')) this.#tabs.tell('session_expired');
      return false;
    }
    this.#known.token++;
    await this.#read('session_expired').catch(() => {});
    return true;
  }

  /** What another tab tells is the reason; the BFF says what is so by now. */
  async #hear(event: TabEvent): Promise<void> {
    try {
      await this.#read(event, false);
    } catch {
      if (event !== 'logged_in') this.#end(event);
    }
  }

  /**
   * Asks for the session and tells of what is different. Gives whether somebody is logged in.
   * @param why what a difference comes from
   */
  async #read(why: TabEvent, tellTabs = true): Promise<boolean> {
    const asked = ++this.#asked;
    const askedAt = Date.now();
    const answer = await this.#call('GET', '/session');
    if (typeof answer['isLoggedIn'] !== 'boolean') {
      throw new BffError(0, UNUSABLE, 'The answer does not say whether somebody is logged in.');
    }
    // Overtaken by a later question's answer.
    if (asked < this.#answered) return this.#known.isLoggedIn;
    this.#answered = asked;
    if (answer['isLoggedIn'] !== true) {
      const ended = why === 'logged_in' ? 'session_expired' : why;
      if (this.#end(ended) && tellTabs) this.#tabs.tell(ended);
      return false;
    }
    const { isLoggedIn, claims: before } = this.#current;
    const { user } = this.#known;
    this.#known.read(answer, askedAt);
    const claims = (answer['claims'] ?? undefined) as Session['claims'];
    const isNew = !isLoggedIn || user !== this.#known.user;
    if (isNew || JSON.stringify(claims) !== JSON.stringify(before)) {
      const isNews = isNew && (isLoggedIn !== undefined || why === 'logged_in');
      this.#show({ isLoggedIn: true, claims }, isNews ? 'logged_in' : 'loaded');
    }
    return true;
  }

  /** Nobody is logged in any more. Gives whether that is news. */
  #end(ended: Exclude<TabEvent, 'logged_in'>): boolean {
    this.#known.clear();
    const { isLoggedIn } = this.#current;
    if (isLoggedIn === false || this.#isLeaving) return false;
    this.#show({ isLoggedIn: false, ended: isLoggedIn && ended }, isLoggedIn ? ended : 'loaded');
    return !!isLoggedIn;
  }

  #show(session: Session, event: SessionEvent): void {
    this.#current = session;
    for (const listener of [...this.#listeners]) {
      try {
        listener(event, session);
      } catch (error) {
        // The listener's fault is not the session's.
        reportError(error);
      }
    }
  }

  /** Sends it; when it is refused although another CSRF value is valid now, once more with that one. */
  async #callWithCurrentCsrf(path: string): Promise<Answer> {
    const { csrf } = this.#known;
    try {
      return await this.#call('POST', path);
    } catch (error) {
      if (!isUnauthorized(error) || !(await this.#read('session_expired')) || this.#known.csrf === csrf) throw error;
      return this.#call('POST', path);
    }
  }

  #call(method: 'GET' | 'POST', path: string, body?: Answer): Promise<Answer> {
    const headers: Record<string, string> = { accept: 'application/json' };
    const { csrf } = this.#known;
    if (body) headers['content-type'] = 'application/json';
    if (method === 'POST' && csrf !== undefined) headers[this.#csrfHeader] = csrf;
    return call(this.#bffUrl + path, {
      method,
      headers,
      body: body ? JSON.stringify(body) : null,
      // The new cookies must reach the browser even if the page is left meanwhile: the old refresh token has been used.
      keepalive: path === '/refresh',
    });
  }

  #navigate(url: string): void {
    const { navigate } = this.#options;
    if (navigate) navigate(url);
    else location.assign(url);
  }
}

function absolute(url: string): URL {
  return new URL(url, document.baseURI);
}

/** `work` goes on when the signal aborts, for whoever else waits for it; this caller does not wait any longer. */
function abortable<T>(work: Promise<T>, signal: AbortSignal | null | undefined): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort);
    void work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
