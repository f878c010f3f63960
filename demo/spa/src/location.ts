// The page's address: the authorization server's answer is taken out of it, and the view the user was at comes back
// after sign-in. The redirect URI is the root, so nothing is touched at any other path.

const RETURN_PATH = 'returnPath';

/** The full URL when it may hold an answer to a sign-in, which is gone from the address bar afterwards. */
export function takeLoginAnswer(): string | undefined {
  const { href, pathname, search } = location;
  const query = new URLSearchParams(search);
  if (pathname !== '/' || !(query.has('state') || query.has('response'))) return undefined;
  history.replaceState(null, '', pathname);
  // A state alone comes back from signing out.
  return query.has('code') || query.has('error') || query.has('response') ? href : undefined;
}

/** Remembers the view over the sign-in, for this tab. */
export function rememberPath(): void {
  sessionStorage.setItem(RETURN_PATH, location.pathname + location.search + location.hash);
}

/** Goes back to the remembered view. */
export function restorePath(): void {
  const path = sessionStorage.getItem(RETURN_PATH);
  sessionStorage.removeItem(RETURN_PATH);
  // A path of this origin only; the browser enforces the origin as well.
  if (path !== null && /^\/(?!\/)/.test(path)) history.replaceState(null, '', path);
}
