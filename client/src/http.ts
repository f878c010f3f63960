// One call of the BFF's own API.

/**
 * A refusal or a failure of the BFF. `code` is one of the codes of its contract, `unreachable` (with status 0) where there was
 * no answer, or `unusable_answer` where something else than the BFF has answered, as a portal or a host that serves its page at
 * every path does. `message` is for people: fixed texts, never anything from a URL.
 */
export class BffError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    /** After how many seconds to try again, where the BFF says so (status 503). */
    readonly retryAfter?: number,
  ) {
    super(message);
    this.name = 'BffError';
  }
}

/** `BffError.code` of an answer that is none of the BFF's. */
export const UNUSABLE = 'unusable_answer';

/** A JSON object that came from outside. */
export type Answer = Readonly<Record<string, unknown>>;

/** Longer than the BFF waits for the authorization server; what is slower would keep the other tabs waiting for a lock. */
const TIMEOUT_MS = 30_000;

/** Sends it, and gives the answer's JSON object; `{}` for 204. What is neither says nothing about the session. */
export async function call(url: string, init: RequestInit): Promise<Answer> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, {
      ...init,
      credentials: 'include',
      // The BFF redirects nobody, and the CSRF value must not go where it does not belong.
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    text = await response.text();
  } catch {
    throw new BffError(0, 'unreachable', 'The server cannot be reached.');
  }
  const answer = response.status === 204 ? {} : parse(text);
  if (answer && response.ok) return answer;
  const { code, message } = answer ?? {};
  // The BFF says seconds.
  const retryAfter = Number(response.headers.get('retry-after')) || undefined;
  if (typeof code === 'string') throw new BffError(response.status, code, String(message), retryAfter);
  throw new BffError(response.status, UNUSABLE, `The server's answer (${response.status}) is not one of the BFF.`);
}

/** A URL that the browser may be sent to: never `javascript:`. */
export function webUrl(value: unknown): string {
  try {
    const url = new URL(value as string);
    if (/^https?:$/.test(url.protocol)) return url.href;
  } catch {
    // Not a URL: as bad as one of another kind.
  }
  throw new BffError(0, UNUSABLE, 'The server answered with no URL.');
}

/** Whether the BFF itself refused: a 401 of something on the way to it ends no session. */
export function isUnauthorized(error: unknown): boolean {
  return error instanceof BffError && error.status === 401 && error.code !== UNUSABLE;
}

function parse(text: string): Answer | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && !Array.isArray(value) && value ? (value as Answer) : undefined;
  } catch {
    return undefined;
  }
}
