// A call of the BFF.

/**
 * An error response of the BFF, or a failure. `code` is one of the codes of its contract, `unreachable` (with status 0) if
 * there was no response, or `unusable_answer` if something other than the BFF responded, such as a captive portal or a host
 * that serves its page at every path. `message` is for people: a fixed sentence, never anything from a URL.
 */
export class BffError extends Error {
  override readonly name = 'BffError';

  constructor(
    readonly status: number,
    readonly code: BffErrorCode,
    message: string,
    /** The number of seconds after which to try again, if the BFF sends one (HTTP 503). */
    readonly retryAfter?: number,
    /** The error of the browser's `fetch`, if there was no response. */
    cause?: unknown,
  ) {
    super(message, { cause });
  }
}

/** Codes of the BFF's contract and of this package. There are others: a failed sign-in may have the authorization server's. */
export type BffErrorCode =
  | 'access_denied'
  | 'authorization_error'
  | 'authorization_server_error'
  | 'device_binding_required'
  | 'forbidden'
  | 'insufficient_user_authentication'
  | 'invalid_request'
  | 'login_required'
  | 'method_not_allowed'
  | 'not_found'
  | 'refresh_unavailable'
  | 'server_error'
  | 'session_expired'
  | 'token_expired'
  | 'unauthorized_request'
  | 'unreachable'
  | 'unusable_answer'
  | (string & {});

/** `BffError.code` of a response that is not from the BFF. */
export const UNUSABLE = 'unusable_answer';

/** A JSON object from a response. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Longer than the BFF waits for the authorization server by default. A slower call would make other tabs wait for a lock. */
const TIMEOUT_MS = 30_000;

/**
 * Sends a request. Returns the JSON object of the response, or `{}` for HTTP 204.
 * @param csrf the CSRF header
 * @throws BffError for an error response, for a response that is not the BFF's, and if there is no response
 */
export async function call(
  url: string,
  method: 'GET' | 'POST',
  body?: JsonObject,
  csrf?: Record<string, string> | '',
): Promise<JsonObject> {
  const isPost = method === 'POST';
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, {
      method,
      headers: { accept: 'application/json', ...(body && { 'content-type': 'application/json' }), ...(isPost && csrf) },
      body: body ? JSON.stringify(body) : null,
      // The new cookies must reach the browser even if the page is left meanwhile: the old refresh token has been used.
      keepalive: isPost,
      credentials: 'include',
      // The BFF redirects no call, and the CSRF value must not reach another server.
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    text = await response.text();
  } catch (cause) {
    throw new BffError(0, 'unreachable', 'The server is unreachable. Try again later.', undefined, cause);
  }
  const json = response.status === 204 ? {} : parse(text);
  if (json && response.ok) return json;
  const { code, message } = json ?? {};
  // The BFF sends seconds.
  const retryAfter = Number(response.headers.get('retry-after')) || undefined;
  if (typeof code === 'string') throw new BffError(response.status, code, String(message), retryAfter);
  throw new BffError(response.status, UNUSABLE, `The response (HTTP ${response.status}) is not from the BFF.`);
}

/**
 * Returns a URL to which the browser may be sent: never `javascript:`.
 * @throws BffError if the value is no such URL
 */
export function checkWebUrl(value: unknown): string {
  try {
    const { href } = new URL(value as string);
    if (/^https?:/.test(href)) return href;
  } catch {
    // Not a URL: rejected like a URL of another scheme.
  }
  throw new BffError(0, UNUSABLE, 'The response is not from the BFF.');
}

/** Whether the BFF itself refused the request: HTTP 401 from a server on the way ends no session. */
export function isUnauthorized(error: unknown): error is BffError {
  return error instanceof BffError && error.status === 401 && error.code !== UNUSABLE;
}

function parse(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (Object(value) === value && !Array.isArray(value)) return value as JsonObject;
  } catch {
    // Not JSON.
  }
  return undefined;
}
