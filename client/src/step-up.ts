// Step-up (RFC 9470): signs the user in again if an API requires more of the user's authentication. A sign-in for a requirement
// is made once. If it does not suffice, the user decides whether there is another one.

import type { BffClient, BffError, BffRequestInit, Claims, PageLoad, Session } from './index.js';

/** What the API requires of the user's authentication: the members of its response. */
export interface StepUpRequirement {
  /** Acceptable values of `acr`, space-separated, in order of preference. */
  readonly acr_values?: string;
  /** The maximum time since the user authenticated, in seconds. */
  readonly max_age?: number;
}

/** A call that the API refused with HTTP 401 `insufficient_user_authentication`. */
export interface RefusedCall {
  readonly method: string;
  readonly url: string;
  readonly required: StepUpRequirement;
}

/**
 * - `repeated`: the user has authenticated again, and this is the response to the GET;
 * - `completed`: the user has authenticated again, and may repeat the call: it is not a GET, or another user has signed in, or
 *   the user is not known;
 * - `failed`: the sign-in failed (`error`), was abandoned or could not begin, the API still refuses the call, or the call could
 *   not be repeated (`error`). Only `retry`, for a button, begins another sign-in.
 */
export type StepUpEvent =
  | { readonly type: 'repeated'; readonly call: RefusedCall; readonly response: Response }
  | { readonly type: 'completed'; readonly call: RefusedCall }
  | { readonly type: 'failed'; readonly call: RefusedCall; readonly error?: unknown; readonly retry: () => Promise<void> };

/** In all tabs: until when no further sign-in for a requirement starts automatically, in milliseconds since 1970. */
const GUARD = 'bff-step-up';
/** In this tab: the call for which the user signs in. */
const CALL = 'bff-step-up-call';
/** The latest `Date`, in milliseconds since 1970: until another sign-in, or the end of the session. */
const NEVER = 8.64e15;
/** How long a sign-in may take, in milliseconds. */
const LOGIN_MS = 600_000;
/** The shortest time between two automatic sign-ins for a requirement, in milliseconds, however short its `max_age` is. */
const PAUSE_MS = 60_000;

/** Calls of APIs with a `BffClient`, and the sign-ins that they require. */
export class StepUp<C extends object = Claims> {
  readonly #client: BffClient<C>;
  readonly #listeners = new Set<(event: StepUpEvent) => void>();
  #isOpen = false;
  #hasLoaded = false;
  #isLeaving = false;

  constructor(client: BffClient<C>) {
    this.#client = client;
  }

  /**
   * Calls `listener` for every event. Call it before `onPageLoad` of the client, in each page to which a sign-in returns.
   * Returns a function that stops it.
   */
  subscribe = (listener: (event: StepUpEvent) => void): (() => void) => {
    this.#listeners.add(listener);
    if (!this.#isOpen) {
      this.#isOpen = true;
      this.#client.subscribe((event) => {
        if (event === 'logged_out' || event === 'session_expired') forget();
        else if (!this.#hasLoaded) void this.#load();
      });
      addEventListener('pageshow', ({ persisted }) => {
        // The Back button, from the authorization server.
        if (persisted) void this.#resume();
      });
    }
    return () => void this.#listeners.delete(listener);
  };

  /**
   * Like `fetch` of the client. If the API requires more of the user's authentication, sends the browser to the authorization
   * server, from which it returns to the same place. The caller gets the HTTP 401 before the browser leaves the page.
   */
  fetch = async (input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> => {
    const { response, required } = await this.#send(input, init);
    if (required) {
      const request = input instanceof Request ? input : undefined;
      const method = (init.method ?? request?.method ?? 'GET').toUpperCase();
      const url = new URL(request?.url ?? String(input), document.baseURI).href;
      await this.#step({ method, url, required });
    }
    return response;
  };

  /** Sends a call. `required`: why the API refused it, which no refresh changes. */
  async #send(input: RequestInfo | URL, init?: BffRequestInit): Promise<{ response: Response; required?: StepUpRequirement }> {
    let refused: { response: Response; required: StepUpRequirement } | undefined;
    // Only requests to APIs come here: no other server can make the user sign in.
    const inspect: typeof fetch = async (request, sent) => {
      const response = await fetch(request, sent);
      const required = response.status === 401 && (await read(response));
      if (required) throw (refused = { response, required });
      return response;
    };
    try {
      return { response: await this.#client.fetch(input, { ...init, fetch: inspect }) };
    } catch (error) {
      if (refused && error === refused) return refused;
      throw error;
    }
  }

  /** Signs in for a refused call, unless there was a sign-in for what it requires. */
  async #step(call: RefusedCall): Promise<void> {
    if (this.#isLeaving) return;
    const guard = guarded();
    if (guard && Date.now() >= (guard[keyOf(call)] ?? 0) && remember(call, this.#client.current)) await this.#leave(call);
    else this.#fail(call);
  }

  async #leave(call: RefusedCall): Promise<void> {
    const { acr_values, max_age } = call.required;
    this.#isLeaving = true;
    block(call, Date.now() + LOGIN_MS);
    try {
      await this.#client.login({
        extraParams: { ...(acr_values && { acr_values }), ...(max_age !== undefined && { max_age: String(max_age) }) },
        stepUp: true,
      });
    } catch (error) {
      this.#isLeaving = false;
      take();
      this.#fail(call, error);
    }
  }

  async #load(): Promise<void> {
    this.#hasLoaded = true;
    // Shares the page load that is in progress.
    await this.#resume(await this.#client.onPageLoad().catch((error: unknown) => ({ error: error as BffError })));
  }

  /** The browser is back. `load`: the result of the page load. */
  async #resume(load: Partial<PageLoad<C>> = {}): Promise<void> {
    this.#isLeaving = false;
    const { handled, error, isLoggedIn } = load;
    const isSignedIn = handled && isLoggedIn && !error;
    const remembered = take();
    // A sign-in that the user began.
    if (!remembered) return isSignedIn ? forget() : undefined;
    const { call, user } = remembered;
    if (!isSignedIn) return this.#fail(call, error);
    const { max_age } = call.required;
    block(call, max_age === undefined ? NEVER : Date.now() + Math.max(max_age * 1000, PAUSE_MS));
    if (call.method !== 'GET' || user === undefined || user !== userOf(load as Session<C>)) return this.#emit({ type: 'completed', call });
    try {
      const { response, required } = await this.#send(call.url);
      if (required) await this.#step({ ...call, required });
      else this.#emit({ type: 'repeated', call, response });
    } catch (failure) {
      this.#fail(call, failure);
    }
  }

  #fail(call: RefusedCall, error?: unknown): void {
    block(call, NEVER);
    this.#emit({
      type: 'failed',
      call,
      error,
      retry: () => {
        remember(call, this.#client.current);
        return this.#leave(call);
      },
    });
  }

  #emit(event: StepUpEvent): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(event);
      } catch (error) {
        // An error of a listener does not affect the others.
        reportError(error);
      }
    }
  }
}

/** What a response requires, if it is that of the gateway. */
async function read(response: Response): Promise<StepUpRequirement | undefined> {
  const body = Object(await response.clone().json().catch(() => ({}))) as Record<string, unknown>;
  const { code, acr_values, max_age } = body;
  if (code !== 'insufficient_user_authentication') return undefined;
  return { ...(typeof acr_values === 'string' && { acr_values }), ...(typeof max_age === 'number' && { max_age }) };
}

const keyOf = ({ required: { acr_values, max_age } }: RefusedCall) => `${acr_values} ${max_age}`;

/** Distinguishes users. `undefined`: not known. */
function userOf({ claims }: Session): string | undefined {
  const { iss, sub } = Object(claims) as Claims;
  return typeof sub === 'string' ? `${String(iss)} ${sub}` : undefined;
}

/** `undefined`: storage is disabled, so nothing would prevent one sign-in after another. */
function guarded(): Record<string, number> | undefined {
  try {
    return Object(JSON.parse(localStorage.getItem(GUARD) ?? '{}')) as Record<string, number>;
  } catch {
    return undefined;
  }
}

function block(call: RefusedCall, until: number): void {
  try {
    localStorage.setItem(GUARD, JSON.stringify({ ...guarded(), [keyOf(call)]: until }));
  } catch {
    // Then no sign-in starts automatically.
  }
}

function forget(): void {
  try {
    localStorage.removeItem(GUARD);
  } catch {
    // There is nothing to forget.
  }
}

/** Stores the call until the browser returns. Returns whether that succeeded. */
function remember(call: RefusedCall, session: Session): boolean {
  try {
    sessionStorage.setItem(CALL, JSON.stringify({ call, user: userOf(session) }));
    return true;
  } catch {
    return false;
  }
}

function take(): { call: RefusedCall; user?: string } | undefined {
  try {
    const text = sessionStorage.getItem(CALL);
    sessionStorage.removeItem(CALL);
    return text ? (JSON.parse(text) as { call: RefusedCall; user?: string }) : undefined;
  } catch {
    return undefined;
  }
}
