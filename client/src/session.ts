// The known state of the session.

import type { BffError, JsonObject } from './http.js';

/** The ID token's claims. */
export type Claims = Readonly<Record<string, unknown>>;

/** The last known session. Every change makes a new object. `C` is the type of the claims. */
export interface Session<C extends object = Claims> {
  /** `undefined` until the BFF has responded for the first time. */
  readonly isLoggedIn: boolean | undefined;
  /** The claims of the signed-in user. `undefined`: no user is signed in, or the session has no ID token. */
  readonly claims?: Readonly<C> | undefined;
  /** While the session is about to end: its end, in milliseconds since 1970. `touch()` may prolong it. */
  readonly expiresAt?: number | undefined;
  /** How this page's last session ended. */
  readonly ended?: 'logged_out' | 'session_expired' | undefined;
  /** Why the sign-in of this page load failed, which affects no existing session, or why the session is unknown. */
  readonly error?: BffError | undefined;
}

/** The result of a page load. */
export interface PageLoad<C extends object = Claims> extends Session<C> {
  /** Whether this page load completed a sign-in, successfully or not. */
  readonly handled: boolean;
  /** The path at which that sign-in began, or `returnTo` of the sign-in or sign-out. The address bar shows it. */
  readonly returnTo?: string | undefined;
}

/**
 * - `loaded`: the first response, other claims after a refresh, or the session is not about to end any more;
 * - `logged_in`: by this page, in another tab, or as another user;
 * - `logged_out`: in this tab or another;
 * - `session_expiring`: it is about to end; `expiresAt` of the session says when;
 * - `session_expired`: it cannot be refreshed any more, the user was inactive for too long, or it was ended elsewhere;
 * - `failed`: the page load failed; `error` of the session says why.
 */
export type SessionEvent = 'loaded' | 'logged_in' | 'logged_out' | 'session_expiring' | 'session_expired' | 'failed';

/** Receives the events of the session, of all tabs. */
export type SessionListener<C extends object = Claims> = (event: SessionEvent, session: Session<C>) => void;

/** Internal state: the CSRF value, and what distinguishes one access token from the next. */
export class Known {
  /** Whether a user is signed in. */
  isLoggedIn = false;
  /** Never stored anywhere. */
  csrf: string | undefined;
  /** Identifies the signed-in user: it differs between users. */
  user: string | undefined;
  /** Whether the access token was unexpired at the last session request. */
  isLive = false;
  /** Increases with each new access token. */
  token = 0;
  /** When the access token replaced an earlier one of this session, in milliseconds since 1970. 0: not known. */
  newSince = 0;
  /** The access token expires before this time, in milliseconds since 1970. */
  #expiresBefore = Infinity;

  /** Reads a response of `/session` to a request that was sent at `askedAt`, in milliseconds since 1970. */
  read(response: JsonObject, askedAt: number): void {
    const { csrf, claims, accessTokenExpiresIn } = response;
    const seconds = typeof accessTokenExpiresIn === 'number' ? accessTokenExpiresIn : 0;
    const newCsrf = typeof csrf === 'string' ? csrf : undefined;
    // The response has whole seconds, from some time between request and response: only a value that is certainly later counts.
    if (newCsrf !== this.csrf) {
      this.token++;
      this.newSince = 0;
    } else if (askedAt + seconds * 1000 > this.#expiresBefore) {
      this.renewed();
    }
    this.isLoggedIn = true;
    this.csrf = newCsrf;
    this.isLive = seconds > 0;
    this.#expiresBefore = Date.now() + (seconds + 1) * 1000;
    const { iss, sub } = Object(claims) as Claims;
    this.user = typeof sub === 'string' ? `${String(iss)} ${sub}` : newCsrf;
  }

  /** The session has a new access token. */
  renewed(): void {
    this.token++;
    this.newSince = Date.now();
  }

  /** No user is signed in. */
  clear(): void {
    this.isLoggedIn = this.isLive = false;
    this.csrf = this.user = undefined;
    this.#expiresBefore = Infinity;
  }
}
