// The requests of this page to the BFF and the API, so that the page can show them. The recorder replaces the browser's
// `fetch`, as monitoring in pages does. Nothing else of the demo needs this.

/** A request and what became of it. */
export interface RecordedRequest {
  readonly id: number;
  readonly method: string;
  readonly path: string;
  /** `undefined`: there is no response yet. 0: there was none. */
  readonly status?: number;
  readonly milliseconds?: number;
}

const MAX_REQUESTS = 12;

/** Records the latest requests. */
export class RequestRecorder {
  #requests: readonly RecordedRequest[] = [];
  #count = 0;
  readonly #listeners = new Set<() => void>();

  /** Records the requests to URLs that begin with one of `prefixes` from now on. */
  start(prefixes: readonly string[]): void {
    const original = window.fetch.bind(window);
    window.fetch = async (input, init) => {
      const url = input instanceof Request ? input.url : String(input);
      if (!prefixes.some((prefix) => url.startsWith(prefix))) return original(input, init);
      const request = {
        id: ++this.#count,
        method: (init?.method ?? (input instanceof Request ? input.method : 'GET')).toUpperCase(),
        path: new URL(url, location.href).pathname,
      };
      const started = performance.now();
      const put = (status: number) => this.#put({ ...request, status, milliseconds: performance.now() - started });
      this.#put(request);
      try {
        const response = await original(input, init);
        put(response.status);
        return response;
      } catch (error) {
        put(0);
        throw error;
      }
    };
  }

  /** Calls `listener` after each change. Returns a function that stops it. */
  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  /** The latest requests, the oldest first. Each change makes a new array. */
  get latest(): readonly RecordedRequest[] {
    return this.#requests;
  }

  #put(request: RecordedRequest): void {
    const others = this.#requests.filter(({ id }) => id !== request.id);
    this.#requests = [...others, request].sort((one, other) => one.id - other.id).slice(-MAX_REQUESTS);
    for (const listener of this.#listeners) listener();
  }
}

/** What a reader should know of a request beside its status. */
export function meaning(request: RecordedRequest, earlier: readonly RecordedRequest[]): string {
  const { method, path, status } = request;
  if (status === 0) return 'no response';
  if (path.endsWith('/refresh') && isSuccess(status)) return 'new tokens in the cookies';
  const before = earlier.findLast((other) => other.method === method && other.path === path);
  const isRenewed = earlier.some(({ id, path, status }) => before && id > before.id && path.endsWith('/refresh') && isSuccess(status));
  if (before?.status === 401 && isRenewed) return 'sent again after the refresh';
  if (status === 401) return 'refused by the filter or the service';
  return '';
}

function isSuccess(status: number | undefined): boolean {
  return status !== undefined && status >= 200 && status < 300;
}
