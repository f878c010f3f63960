import { useCallback, useEffect, useState } from 'react';

import { AuthenticatedView } from './AuthenticatedView';
import { type BffClient, BffError, type PageLoad } from './bff';
import { rememberPath, restorePath } from './location';
import { UnauthenticatedView } from './UnauthenticatedView';

interface Props {
  client: BffClient;
  /** The address with the authorization server's answer, where the page was loaded with one. */
  pageUrl: string | undefined;
}

// An answer to a sign-in is good for one use, however often React runs an effect.
const pageLoads = new WeakMap<BffClient, Promise<PageLoad>>();

function pageLoadOnce(client: BffClient, pageUrl: string | undefined): Promise<PageLoad> {
  const existing = pageLoads.get(client);
  if (existing) return existing;
  const pageLoad = client.pageLoad(pageUrl);
  pageLoads.set(client, pageLoad);
  return pageLoad;
}

export function App({ client, pageUrl }: Props) {
  const [isLoggedIn, setLoggedIn] = useState<boolean>();
  const [error, setError] = useState('');
  const [path, setPath] = useState(location.pathname);

  /** Runs what a button does; a failure is shown. */
  const run = useCallback(async (work: () => Promise<void>) => {
    setError('');
    try {
      await work();
    } catch (failure) {
      setError(describe(failure));
    }
  }, []);

  useEffect(() => client.subscribe(setLoggedIn), [client]);

  useEffect(() => {
    void run(async () => {
      const pageLoad = await pageLoadOnce(client, pageUrl).catch((failure: unknown) => {
        // Nothing is known of the session; signing in is what can be tried again.
        setLoggedIn(false);
        throw failure;
      });
      if (pageLoad.handled) {
        restorePath();
        setPath(location.pathname);
      }
      setLoggedIn(pageLoad.isLoggedIn);
      if (pageLoad.error !== undefined) throw pageLoad.error;
    });
  }, [client, pageUrl, run]);

  const signIn = () =>
    run(async () => {
      rememberPath();
      location.assign(await client.startLogin());
    });

  return (
    <>
      <header>
        <h1>Example SPA</h1>
        <p id="pageLoadResult" aria-live="polite">
          {isLoggedIn === undefined ? 'Loading…' : isLoggedIn ? 'You are authenticated' : 'Authentication required'}
        </p>
        <p className="path">
          This page is <code>{path}</code>
        </p>
      </header>
      <p id="error" role="alert" hidden={error === ''}>
        {error}
      </p>
      <main>
        {isLoggedIn === true && <AuthenticatedView client={client} run={run} />}
        {isLoggedIn === false && <UnauthenticatedView onSignIn={signIn} />}
      </main>
      <footer>No token is in this page: they are in cookies that script cannot read.</footer>
    </>
  );
}

function describe(failure: unknown): string {
  if (failure instanceof BffError) return `${failure.message} (${failure.code})`;
  return 'Something went wrong in this page.';
}
