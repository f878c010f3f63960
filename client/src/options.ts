// The settings of a `BffClient`.

/** The settings of a `BffClient`. */
export interface BffClientOptions {
  /** The URL of the BFF: `https://api.example.com/bff`, or `/bff` on the page's own origin. */
  bffUrl: string;
  /** The origins of the APIs behind the filter. `fetch` sends cookies and CSRF value to no other. Default: the BFF's. */
  apiOrigins?: readonly string[];
  /** As in the BFF's configuration: it is part of the CSRF header's name. Default `example`. */
  cookieNamePrefix?: string;
  /** The path of the redirect URI. If other pages have parameters `state` and `code` of their own, set it. Default: any path. */
  redirectPath?: string;
  /** Whether calls with safe methods have the CSRF header, too, for a filter with `require_header`. Default false. */
  requireHeader?: boolean;
  /**
   * How long before its end a session is about to end (`session_expiring`), in seconds, but at most half the idle time.
   * Default 60.
   */
  warnSeconds?: number;
  /** How often a page that is visible requests the session, which may have ended elsewhere, in seconds. Default 300. */
  checkSeconds?: number;
  /** Whether calls of `fetch` are activity of the user, or only `touch()` is. Default true. */
  fetchIsActivity?: boolean;
  /** Sends the browser to a URL: to the authorization server, or to the page after a sign-out. Default: `location.assign`. */
  navigate?: (url: string) => void;
}

/** The settings of a sign-in. */
export interface LoginOptions {
  /** Parameters for the authorization request, such as `{ prompt: 'login' }`. The BFF's configuration lists the allowed ones. */
  extraParams?: Readonly<Record<string, string>>;
  /** The path to return to. Default: the page's path, with query and fragment. */
  returnTo?: string;
  /** Whether the user must authenticate with one of `acr_values` of `extraParams`: otherwise they are a wish. Default false. */
  stepUp?: boolean;
}

/** The settings of a call: those of the browser's `fetch`, and these. */
export interface BffRequestInit extends RequestInit {
  /** Whether the user is active. Default: `fetchIsActivity` of the client. */
  isActivity?: boolean;
  /** Sends a request to an API in place of the browser's `fetch`, with the same arguments. A retry calls it again. */
  fetch?: typeof globalThis.fetch;
}

/** The settings of a sign-out. */
export interface LogoutOptions {
  /** The path to return to. Default: the path of the post-logout redirect URI. */
  returnTo?: string;
  /** Whether all sessions of the user end, in every browser. Default false. */
  everywhere?: boolean;
}

/** The result of a sign-out. */
export interface LogoutResult {
  /**
   * With `everywhere`, what could not be done: `other_sessions` (the user is unknown, so no other session has ended),
   * `other_tokens` (not revoked at the authorization server), `other_browsers` (still signed in at the authorization server),
   * `other_replicas` (of the BFF, which do not know yet).
   */
  notDone: readonly ('other_sessions' | 'other_tokens' | 'other_browsers' | 'other_replicas' | (string & {}))[] | undefined;
}
