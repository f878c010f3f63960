// One call of the BFF's own API.

/**
 * A refusal or a failure of the BFF. `code` is one of the codes of its contract, or `unreachable` (with status 0) where there
 * was no answer. `message` is for people: fixed texts, never anything from a URL.
 */
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

/** A JSON object that came from outside. */
export type Answer = Readonly<Record<string, unknown>>;

/** Longer than the BFF waits for the authorization server; what is slower would keep the other tabs waiting for a lock. */
const TIMEOUT_MS = 30_000;

/** Sends it, and gives the answer's JSON object; `{}` where the answer is none. */
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
  const answer = parse(text);
  if (response.ok) return answer;
  // A proxy on the way may answer something else than the BFF.
  const { code = 'error', message = `The server answered ${response.status}.` } = answer;
  throw new BffError(response.status, String(code), String(message));
}

/** A URL that the browser may be sent to: never `javascript:`. */
export function webUrl(value: unknown): string {
  try {
    const url = new URL(value as string);
    if (/^https?:$/.test(url.protocol)) return url.href;
  } catch {
    // Not a URL: as bad as one of another kind.
  }
  throw new BffError(0, 'unusable_answer', 'The server answered with no URL.');
}

export function isUnauthorized(error: unknown): boolean {
  return error instanceof BffError && error.status === 401;
}

function parse(text: string): Answer {
  try {
    return Object(JSON.parse(text)) as Answer;
  } catch {
    return {};
  }
}
