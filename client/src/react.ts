// The session in React.

import { useEffect, useState, useSyncExternalStore } from 'react';

import type { BffClient, Session } from './index.js';

/** A component's view of the session. */
export interface UseSession extends Session {
  /** Why the sign-in of this page load failed, or why the session is unknown: a `BffError`. */
  readonly error: Error | undefined;
}

const UNKNOWN: Session = { isLoggedIn: undefined };

/**
 * The session, updated by every event in any tab. The first component that uses this handles the page load, unless that
 * has been done.
 * @param pageUrl as for `onPageLoad`
 */
export function useSession(client: BffClient, pageUrl?: string): UseSession {
  const session = useSyncExternalStore(
    client.subscribe,
    () => client.current,
    () => UNKNOWN,
  );
  const [error, setError] = useState<Error>();
  useEffect(() => {
    // No effect in a component that was removed.
    let isMounted = true;
    const show = (failure: unknown) => {
      if (isMounted) setError(failure as Error | undefined);
    };
    if (client.current.isLoggedIn === undefined) client.onPageLoad(pageUrl).then((pageLoad) => show(pageLoad.error), show);
    return () => {
      isMounted = false;
    };
  }, [client, pageUrl]);
  return { ...session, error };
}
