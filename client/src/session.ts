// What is known of the session.

import type { Answer } from './http.js';

/** The ID token's claims. */
export type Claims = Readonly<Record<string, unknown>>;

/** The session, as it was seen last. Another object whenever something is different. */
export interface Session {
  /** `undefined` until the BFF has answered for the first time. */
  readonly isLoggedIn: boolean | undefined;
  /** Who is logged in; `undefined` where nobody is, or the authorization server issues no ID token. */
  readonly claims?: Claims | undefined;
  /** How the session ended that this page has had. */
  readonly ended?: 'logged_out' | 'session_expired' | undefined;
}

/**
 * - `loaded`: the first answer, or other claims after a refresh;
 * - `logged_in`: by this page, in another tab, or as another user;
 * - `logged_out`: in this tab or another;
 * - `session_expired`: it cannot be renewed any more.
 */
export type SessionEvent = 'loaded' | 'logged_in' | 'logged_out' | 'session_expired';

/** Hears of what happens to the session, wherever it happens. */
export type SessionListener = (event: SessionEvent, session: Session) => void;

/** What the client knows besides, and shows to nobody: the CSRF value, and how to tell one access token from the next. */
export class Known {
  /** Whether somebody is logged in. */
  isLoggedIn = false;
  /** Never stored anywhere. */
  csrf: string | undefined;
  /** Who is logged in: one user is told from another by it. */
  user: string | undefined;
  /** Whether the access token had not expired when it was last asked for. */
  isLive = false;
  /** Higher with each access token that is seen to be another one. */
  token = 0;
  /** The access token expires before this. */
  #expiresBefore = Infinity;

  /** Reads an answer of `/session` to a question of `askedAt`. */
  read(answer: Answer, askedAt: number): void {
    const { csrf, claims, accessTokenExpiresIn } = answer;
    const seconds = typeof accessTokenExpiresIn === 'number' ? accessTokenExpiresIn : 0;
    const newCsrf = typeof csrf === 'string' ? csrf : undefined;
    // The answer counts whole seconds, from some time between question and answer: only what is later for certain counts.
    if (newCsrf !== this.csrf || askedAt + seconds * 1000 > this.#expiresBefore) this.token++;
    this.isLoggedIn = true;
    this.csrf = newCsrf;
    this.isLive = seconds > 0;
    this.#expiresBefore = Date.now() + (seconds + 1) * 1000;
    const { iss, sub } = Object(claims) as Claims;
    this.user = typeof sub === 'string' ? `${String(iss)} ${sub}` : newCsrf;
  }

  /** Nobody is logged in. */
  clear(): void {
    this.isLoggedIn = this.isLive = false;
    this.csrf = this.user = undefined;
    this.#expiresBefore = Infinity;
  }
}
