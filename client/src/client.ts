// Sign-in, session and API calls of one page. It holds no token: tokens are in cookies that scripts cannot read.

import { waitUntilAborted } from './abort.js';
import { Ending } from './ending.js';
import { BffError, call, checkWebUrl, isUnauthorized, type JsonObject, UNUSABLE } from './http.js';
import type { BffClientOptions, BffRequestInit, LoginOptions, LogoutOptions, LogoutResult } from './options.js';
import { openPage, type Page, resolveUrl } from './opened-page.js';
import { isAuthorizationResponse, rememberPlace, remove, restorePlace, takePageUrl } from './page.js';
import { type Claims, Known, type PageLoad, type Session, type SessionEvent, type SessionListener } from './session.js';
import type { TabEvent } from './tabs.js';

/** How long signing out waits for a change of the session that is in progress, in any tab. */
const LOGOUT_WAIT_MS = 1000;
/** The API itself is the reason for HTTP 401 with an access token that is newer than this: another refresh would not help. */
const FRESH_MS = 10_000;

/** The session, sign-in, sign-out and API calls of one page. `C` is the type of the user's claims. */
export class BffClient<C extends object = Claims> {
  readonly #options: BffClientOptions;
  readonly #csrfHeader: string;
  readonly #listeners = new Set<SessionListener<C>>();
  readonly #known = new Known();
  readonly #ending: Ending;
  #opened: Page | undefined;
  #current: Session<C> = { isLoggedIn: undefined };
  #pageLoad: Promise<PageLoad<C>> | undefined;
  #renewal: Promise<boolean> | undefined;
  #login: Promise<void> | undefined;
  #reporting: Promise<void> | undefined;
  /** The browser is leaving to sign out at the authorization server: this page's view need not change any more. */
  #isLeaving = false;
  /** Why the last refresh failed. */
  #failure: unknown;
  /** Until when no other refresh is tried because of that, in milliseconds since 1970. */
  #notBefore = 0;
  /** The number of session requests, and of what makes the responses to earlier ones out of date. */
  #asked = 0;
  /** The number of the newest of these whose response was read. */
  #answered = 0;

  /** A server that renders pages can create a `BffClient`, too, and use `current`. Everything else needs a page. */
  constructor(options: BffClientOptions) {
    this.#options = options;
    this.#csrfHeader = `x-${options.cookieNamePrefix ?? 'example'}-csrf`;
    this.#ending = new Ending(options, () => this.#read('session_expired'));
  }

  /** The last known session. */
  get current(): Session<C> {
    return this.#current;
  }

  /** Calls `listener` for every event of the session, in this tab or another. Returns a function that stops it. */
  subscribe = (listener: SessionListener<C>): (() => void) => {
    this.#page();
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  /**
   * For the start of the page: completes the sign-in whose authorization response is in the URL, or finds the existing session.
   * Removes the response from the address bar before it returns its promise. Concurrent calls share one page load.
   * @param pageUrl the result of `takePageUrl`, if it was called earlier
   * @throws BffError if the BFF does not say whether a user is signed in. A failed sign-in is the `error` of the result
   */
  onPageLoad(pageUrl = takePageUrl(this.#options.redirectPath)): Promise<PageLoad<C>> {
    return (this.#pageLoad ??= this.#load(pageUrl).finally(() => {
      this.#pageLoad = undefined;
    }));
  }

  /**
   * Sends the browser to the authorization server to sign in. The browser returns with another load of the page. Calls while a
   * sign-in begins, such as by a double click or by React's StrictMode, share that sign-in.
   * @throws BffError if the BFF refuses the sign-in or cannot be reached
   */
  login(options: LoginOptions = {}): Promise<void> {
    return (this.#login ??= this.#startLogin(options).finally(() => {
      this.#login = undefined;
    }));
  }

  async #startLogin({ extraParams = {}, returnTo, stepUp }: LoginOptions): Promise<void> {
    const body = { extraParams: Object.entries(extraParams).map(([key, value]) => ({ key, value })), stepUp };
    // One cookie holds all pending logins, so two tabs must not change it at once.
    const { authorizationRequestUrl } = await this.#runAlone(() => this.#call('POST', '/login/start', body));
    const url = checkWebUrl(authorizationRequestUrl);
    rememberPlace(returnTo);
    this.#navigate(url);
  }

  /**
   * Ends the session in all tabs, and sends the browser to the authorization server to end it there as well. The browser
   * returns with another load of the page.
   * @throws BffError if the BFF refuses the sign-out or cannot be reached. Without `everywhere`, an ended session is no error
   */
  logout(options: LogoutOptions & { everywhere: true }): Promise<LogoutResult>;
  logout(options?: LogoutOptions): Promise<void>;
  async logout({ returnTo, everywhere }: LogoutOptions = {}): Promise<LogoutResult | void> {
    const { url, notDone } = await this.#runAlone(async () => {
      let response: JsonObject = {};
      try {
        response = await this.#postInSession('/logout', { everywhere });
      } catch (error) {
        // Refused because the session has already ended, which is the wanted state.
        if (everywhere || !isUnauthorized(error) || this.#known.isLoggedIn) throw error;
      }
      this.#page().tabs.tell('logged_out');
      // A response to an earlier request must not bring the session back.
      this.#answered = ++this.#asked;
      return response;
      // The BFF refuses a refresh in progress when its session ends, so a refresh that hangs delays nobody here.
    }, LOGOUT_WAIT_MS);
    // An empty path: the place of an abandoned sign-in is not the one to return to.
    rememberPlace(returnTo ?? '');
    const place = url ? checkWebUrl(url) : restorePlace();
    if (url) this.#isLeaving = true;
    else this.#end('logged_out');
    if (place) this.#navigate(place);
    return { notDone } as LogoutResult;
  }

  /** Requests the session from the BFF. Throws a `BffError` if the BFF does not say whether a user is signed in. */
  async session(): Promise<Session<C>> {
    this.#isLeaving = false;
    await this.#read('session_expired');
    return this.#current;
  }

  /**
   * Gets a new access token, whether or not it is needed. `fetch` does so automatically.
   * @throws BffError with code `session_expired` if the session has ended, and with another code if the refresh fails otherwise
   */
  async refresh(): Promise<void> {
    if (!(await this.#runAlone(() => this.#refresh()))) {
      throw new BffError(401, 'session_expired', 'Your session has ended. Sign in again.');
    }
  }

  /**
   * Prolongs the session: reports that the user is active, so that its idle time begins again, and refreshes the session if it
   * is still about to end. `fetch` reports activity automatically, at most once in a tenth of the idle time.
   * @returns whether the session is not about to end any more
   * @throws BffError if there is no session, the BFF cannot be reached, or the refresh fails
   */
  async touch(): Promise<boolean> {
    await this.#report();
    if (this.#ending.at) await this.#runAlone(() => this.#refresh(true));
    return this.#known.isLoggedIn && !this.#ending.at;
  }

  #report(): Promise<void> {
    return (this.#reporting ??= this.#runAlone(async () => {
      const response = await this.#postInSession('/touch');
      // Responses to earlier requests are out of date.
      this.#answered = ++this.#asked;
      this.#showEnding(response, true);
    }).finally(() => {
      this.#reporting = undefined;
    }));
  }

  /**
   * Like the browser's `fetch`. For an API's origin, with the session's cookies and, on unsafe methods (with `requireHeader`,
   * on all), the CSRF header. HTTP 401 leads to one refresh across all tabs and one retry, whose response the caller gets. If
   * the access token is only seconds old, the API has a reason of its own, and the caller gets its response.
   * @throws BffError if the refresh fails otherwise than by the end of the session, which signs nobody out
   */
  fetch = async (input: RequestInfo | URL, init: BffRequestInit = {}): Promise<Response> => {
    const request = input instanceof Request ? input : undefined;
    if (!this.#page().apiOrigins.has(resolveUrl(request?.url ?? String(input)).origin)) return fetch(input, init);
    const method = (init.method ?? request?.method ?? 'GET').toUpperCase();
    const signal = init.signal ?? request?.signal;
    const isCsrfNeeded = this.#options.requireHeader || !/^(GET|HEAD|OPTIONS)$/.test(method);

    const send = (from: RequestInfo | URL) => {
      const sent: RequestInit = { ...init, headers: new Headers(init.headers ?? request?.headers), credentials: 'include' };
      const { csrf } = this.#known;
      if (isCsrfNeeded && csrf !== undefined) {
        (sent.headers as Headers).set(this.#csrfHeader, csrf);
        // The browser would send the header along, wherever a redirect leads.
        sent.redirect ??= request?.redirect === 'manual' ? 'manual' : 'error';
      }
      return (init.fetch ?? fetch)(from, sent);
    };

    await waitUntilAborted(this.#ready(isCsrfNeeded), signal);
    if ((init.isActivity ?? this.#options.fetchIsActivity) !== false && this.#ending.isReportDue()) this.#report().catch(() => {});
    const { token, user } = this.#known;
    const response = await send(request ? request.clone() : input);
    if (response.status !== 401 || this.#current.isLoggedIn === false) return response;
    // Refreshed since the call was sent, so the old access token was the reason.
    const isRenewed = token === this.#known.token ? await waitUntilAborted(this.#renew(token), signal) : this.#known.isLoggedIn;
    // A call of one user is not repeated as another user, and a stream has been read.
    const isSameUser = user === undefined || user === this.#known.user;
    if (!isRenewed || !isSameUser || init.body instanceof ReadableStream) return response;
    void response.body?.cancel();
    return send(input);
  };

  /** Waits while a sign-in is being completed, and requests the session first if its CSRF value is needed and unknown. */
  async #ready(isCsrfNeeded: boolean): Promise<void> {
    try {
      await this.#pageLoad;
      if (isCsrfNeeded && this.#current.isLoggedIn === undefined) await this.#read('session_expired');
    } catch {
      // The call itself reports the error.
    }
  }

  /** The page. The first call begins to use the client in it. */
  #page(): Page {
    return (this.#opened ??= this.#open());
  }

  #open(): Page {
    return openPage(this.#options, (event) => void this.#hear(event), (isRestored) => {
      if (isRestored) this.#isLeaving = false;
      if (isRestored || (this.#current.isLoggedIn && this.#ending.isStale)) this.#read('session_expired').catch(() => {});
    });
  }

  /** Runs `work` while no other tab changes the session. */
  #runAlone<T>(work: () => Promise<T>, waitMs?: number): Promise<T> {
    return this.#page().tabs.runAlone(work, waitMs);
  }

  async #load(pageUrl: string | undefined): Promise<PageLoad<C>> {
    try {
      return await this.#complete(pageUrl);
    } catch (error) {
      this.#show({ ...this.#current, error: error as BffError }, 'failed');
      throw error;
    }
  }

  async #complete(pageUrl: string | undefined): Promise<PageLoad<C>> {
    let handled = false;
    let returnTo: string | undefined;
    let error: BffError | undefined;
    let isNew = false;
    if (pageUrl !== undefined) {
      const url = new URL(pageUrl);
      handled = isAuthorizationResponse(url.searchParams);
      try {
        // A refresh that ended later would replace these cookies by those of the earlier session.
        const response = await this.#runAlone(() => this.#call('POST', '/login/end', { pageUrl }));
        if (!handled && response['handled'] === true) {
          // The browser returns from a logout.
          if (location.href === pageUrl) remove(url);
          returnTo = restorePlace();
        }
        isNew = handled && response['isLoggedIn'] === true;
      } catch (failure) {
        if (handled) error = failure as BffError;
      }
      if (handled) returnTo = restorePlace();
    }
    const isLoggedIn = await this.#read(isNew ? 'logged_in' : 'session_expired');
    if (isNew && isLoggedIn) this.#page().tabs.tell('logged_in');
    // The response was used before, such as with the Back button, and the session is valid.
    if (isLoggedIn && error?.code === 'invalid_request') error = undefined;
    if (error) this.#show({ ...this.#current, error }, 'failed');
    return { ...this.#current, handled, returnTo, error };
  }

  /** One refresh for all calls of this tab. Returns whether a session for the retry exists. */
  #renew(token: number): Promise<boolean> {
    return (this.#renewal ??= this.#runAlone(async () => {
      if (!(await this.#read('session_expired'))) return false;
      const { isLive, newSince } = this.#known;
      // Another tab may have been faster, or a user has signed in again.
      if (isLive && this.#known.token !== token) return true;
      return !(isLive && Date.now() < newSince + FRESH_MS) && this.#refresh();
    }).finally(() => {
      this.#renewal = undefined;
    }));
  }

  /** Refreshes. Only one tab at a time may call it. With `isOptional`, a session without a refresh token continues. */
  async #refresh(isOptional = false): Promise<boolean> {
    if (Date.now() < this.#notBefore) throw this.#failure;
    try {
      await this.#postInSession('/refresh');
    } catch (error) {
      this.#failure = error;
      // Without `retryAfter` this is NaN, and no time is earlier than NaN.
      this.#notBefore = Date.now() + (error as { retryAfter: number }).retryAfter * 1000;
      if (!isUnauthorized(error)) throw error;
      if (isOptional && this.#known.isLoggedIn) return false;
      if (this.#end('session_expired')) this.#page().tabs.tell('session_expired');
      return false;
    }
    this.#known.renewed();
    await this.#read('session_expired').catch(() => {});
    return true;
  }

  /** Handles an event of another tab: it is the reason for a change, and the BFF returns the present state. */
  async #hear(event: TabEvent): Promise<void> {
    // When a session ends, each tab tells all others.
    if (event !== 'logged_in' && this.#current.isLoggedIn === false) return;
    try {
      await this.#read(event, false);
    } catch {
      if (event !== 'logged_in') this.#end(event);
    }
  }

  /**
   * Requests the session and emits an event if it differs. Returns whether a user is signed in.
   * @param why the reason for a difference
   */
  async #read(why: TabEvent, tellTabs = true): Promise<boolean> {
    const asked = ++this.#asked;
    const askedAt = Date.now();
    const response = await this.#call('GET', '/session');
    if (typeof response['isLoggedIn'] !== 'boolean') {
      throw new BffError(0, UNUSABLE, 'The response is not from the BFF.');
    }
    // A newer request's response was read first.
    if (asked < this.#answered) return this.#known.isLoggedIn;
    this.#answered = asked;
    if (response['isLoggedIn'] !== true) {
      const ended = why === 'logged_in' ? 'session_expired' : why;
      if (this.#end(ended) && tellTabs) this.#page().tabs.tell(ended);
      return false;
    }
    const { isLoggedIn, claims: before } = this.#current;
    const { user } = this.#known;
    this.#known.read(response, askedAt);
    const claims = (response['claims'] ?? undefined) as Session<C>['claims'];
    const isNew = !isLoggedIn || user !== this.#known.user;
    if (isNew || JSON.stringify(claims) !== JSON.stringify(before)) {
      const isNews = isNew && (isLoggedIn !== undefined || why === 'logged_in');
      const { expiresAt } = this.#current;
      this.#show({ isLoggedIn: true, claims, ...(!isNew && expiresAt && { expiresAt }) }, isNews ? 'logged_in' : 'loaded');
    }
    this.#showEnding(response, tellTabs);
    return true;
  }

  /** Reads from a response when the session ends, and shows whether that is near. */
  #showEnding(response: JsonObject, tellTabs: boolean): void {
    if (!this.#known.isLoggedIn) return;
    this.#ending.read(response);
    const expiresAt = this.#ending.at;
    const before = this.#current.expiresAt;
    // The BFF sends whole seconds, so the same end differs a little each time.
    if (Math.abs((expiresAt ?? 0) - (before ?? 0)) <= 2000) return;
    this.#show({ ...this.#current, expiresAt }, expiresAt ? 'session_expiring' : 'loaded');
    // The other tabs, which warn as well, request the session again.
    if (before && tellTabs) this.#page().tabs.tell('logged_in');
  }

  /** No user is signed in any more. Returns whether that is a change. */
  #end(ended: Exclude<TabEvent, 'logged_in'>): boolean {
    this.#known.clear();
    this.#ending.clear();
    const { isLoggedIn } = this.#current;
    if (isLoggedIn === false || this.#isLeaving) return false;
    this.#show({ isLoggedIn: false, ended: isLoggedIn && ended }, isLoggedIn ? ended : 'loaded');
    return !!isLoggedIn;
  }

  #show(session: Session<C>, event: SessionEvent): void {
    this.#current = session;
    for (const listener of [...this.#listeners]) {
      try {
        listener(event, session);
      } catch (error) {
        // An error of a listener does not affect the session.
        reportError(error);
      }
    }
  }

  /** Sends a POST. If the BFF refuses it in a valid session, sends it again: the CSRF value or the proof may have changed. */
  async #postInSession(path: string, body?: JsonObject): Promise<JsonObject> {
    const post = () => this.#call('POST', path, body);
    try {
      return await post();
    } catch (error) {
      if (!isUnauthorized(error) || !(await this.#read('session_expired'))) throw error;
      return post();
    }
  }

  #call(method: 'GET' | 'POST', path: string, body?: JsonObject): Promise<JsonObject> {
    const { csrf } = this.#known;
    return call(this.#page().bffUrl + path, method, body, csrf && { [this.#csrfHeader]: csrf });
  }

  #navigate(url: string): void {
    const { navigate } = this.#options;
    if (navigate) navigate(url);
    else location.assign(url);
  }
}
