// The page's URL: the authorization response is removed from it, and after the sign-in it is the earlier URL again.

/** The parameters of an authorization response. */
const PARAMETERS = ['code', 'state', 'iss', 'session_state', 'error', 'error_description', 'error_uri', 'response'];
const RETURN_TO = 'bff-return-to';

/**
 * Removes the authorization response from the address bar and the history at once, and returns the URL that contained
 * it. `onPageLoad` does so automatically: this is for an application that must wait for something before it has a `BffClient`.
 * A URL that may contain the response to a logout is returned and stays as it is. For any other URL, returns `undefined`.
 * @param redirectPath the path of the redirect URI, if other pages have parameters of the same names
 */
export function takePageUrl(redirectPath?: string): string | undefined {
  const url = new URL(location.href);
  const { href, pathname, searchParams } = url;
  if (redirectPath !== undefined && pathname !== redirectPath) return undefined;
  if (isAuthorizationResponse(searchParams)) {
    remove(url);
    return href;
  }
  // The response to a logout has only a `state`. The BFF knows whether it is its own.
  return searchParams.has('state') ? href : undefined;
}

/** Whether a query contains an authorization response. */
export function isAuthorizationResponse(query: URLSearchParams): boolean {
  return (
    (query.has('state') && (query.has('code') || query.has('error'))) ||
    // A JWT, signed or encrypted. Without the parameter it is the text `null`, which is not a JWT.
    /^[\w-]+(\.[\w-]*){2,4}$/.test(query.get('response') as string)
  );
}

/** Removes the parameters of a response from this URL, and shows the rest as the page's URL. */
export function remove(url: URL): void {
  for (const name of PARAMETERS) url.searchParams.delete(name);
  show(url.href);
}

/** Shows another URL of the same origin. */
function show(url: string): void {
  // A router's state in the history stays.
  history.replaceState(history.state, '', url);
}

/** Remembers the place to return to, in this tab. */
export function rememberPlace(path = location.pathname + location.search + location.hash): void {
  try {
    sessionStorage.setItem(RETURN_TO, path);
  } catch {
    // Storage is disabled: the user returns to the redirect URI.
  }
}

/** Shows the remembered place as the page's URL. Returns its path, or `undefined` if there is none. */
export function restorePlace(): string | undefined {
  try {
    const path = sessionStorage.getItem(RETURN_TO) as string;
    sessionStorage.removeItem(RETURN_TO);
    // A path of this origin only, and not `null`. The browser enforces the origin as well.
    if (!/^\/(?![/\\])/.test(path)) return undefined;
    show(path);
    return path;
  } catch {
    return undefined;
  }
}
