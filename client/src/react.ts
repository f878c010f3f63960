// The session in React.

import { useEffect, useState, useSyncExternalStore } from 'react';

import type { BffClient, Session } from './index.js';

/** What a component sees of the session. */
export interface UseSession extends Session {
  /** Why the sign-in that this page load ended has failed, or why nothing could be found out: a `BffError`. */
  readonly error: Error | undefined;
}

const UNKNOWN: Session = { isLoggedIn: undefined };

/**
 * The session, renewed by whatever happens to it in any tab. The first component that uses this does the page load, unless that
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
    // In vain in a component that is gone.
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
