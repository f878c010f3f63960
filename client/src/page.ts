// The page's address: the authorization server's answer is taken out of it, and the view that the user was at comes back
// after sign-in.

const ANSWER = ['code', 'state', 'iss', 'session_state', 'error', 'error_description', 'error_uri', 'response'];
const RETURN_TO = 'bff-return-to';

/**
 * Takes the authorization server's answer out of the address bar and the history, at once, and returns the address that it
 * was in. `onPageLoad` does so by itself: this is for an application that has to wait for something before it has its client.
 * @param redirectPath the path of the redirect URI, where other pages have parameters of the same names
 */
export function takePageUrl(redirectPath?: string): string | undefined {
  const url = new URL(location.href);
  const { href, pathname, searchParams } = url;
  if (redirectPath !== undefined && pathname !== redirectPath) return undefined;
  if (isLoginAnswer(searchParams)) {
    remove(url);
    return href;
  }
  // What comes back from signing out has a state alone; whose it is, the BFF knows.
  return searchParams.has('state') ? href : undefined;
}

/** Whether an address holds the answer to a sign-in. */
export function isLoginAnswer(query: URLSearchParams): boolean {
  return (
    (query.has('state') && (query.has('code') || query.has('error'))) ||
    // A JWT, signed or encrypted.
    /^[\w-]+(\.[\w-]*){2,4}$/.test(query.get('response') ?? '')
  );
}

/** Takes the parameters of an answer out of the page's address, if the page is still there. */
export function remove(url: URL): void {
  for (const name of ANSWER) url.searchParams.delete(name);
  show(url.href);
}

/** Shows another address; none of another origin. */
function show(url: string): void {
  // What a router keeps in the history stays.
  history.replaceState(history.state, '', url);
}

/** Remembers where to come back to, in this tab. */
export function rememberPlace(path = location.pathname + location.search + location.hash): void {
  try {
    sessionStorage.setItem(RETURN_TO, path);
  } catch {
    // Storage is switched off: one comes back to the redirect URI.
  }
}

/** Goes back to the remembered place, and tells which one it is. */
export function restorePlace(): string | undefined {
  try {
    const path = sessionStorage.getItem(RETURN_TO) ?? '';
    sessionStorage.removeItem(RETURN_TO);
    // A path of this origin only; the browser enforces the origin as well.
    if (!/^\/(?![/\\])/.test(path)) return undefined;
    show(path);
    return path;
  } catch {
    return undefined;
  }
}
