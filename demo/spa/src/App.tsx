import { BffError } from 'bff-envoy-client';
import { useSession } from 'bff-envoy-client/react';
import { useCallback, useEffect, useState } from 'react';

import type { Api } from './api';
import { AuthenticatedView } from './AuthenticatedView';
import { UnauthenticatedView } from './UnauthenticatedView';

interface Props {
  api: Api;
  /** The page's URL with the authorization response, if the page was loaded with one. */
  pageUrl: string | undefined;
}

export function App({ api, pageUrl }: Props) {
  const { client } = api;
  const session = useSession(client, pageUrl);
  const [error, setError] = useState('');
  // If the session is unknown, the user can try to sign in again.
  const isLoggedIn = session.isLoggedIn ?? (session.error === undefined ? undefined : false);

  /** Runs a button's action and shows its error. */
  const run = useCallback(async (work: () => Promise<void>) => {
    setError('');
    try {
      await work();
    } catch (failure) {
      setError(describe(failure));
    }
  }, []);

  useEffect(() => {
    if (session.error !== undefined) setError(describe(session.error));
  }, [session.error]);

  const signIn = () => run(() => client.login());

  return (
    <>
      <header>
        <h1>Example SPA</h1>
        <p id="pageLoadResult" aria-live="polite">
          {isLoggedIn === undefined ? 'Loading…' : isLoggedIn ? 'You are authenticated' : 'Authentication required'}
        </p>
        <p className="path">
          This page is <code>{location.pathname}</code>
        </p>
      </header>
      <p id="error" role="alert" hidden={error === ''}>
        {error}
      </p>
      <main>
        {isLoggedIn === true && <AuthenticatedView api={api} run={run} />}
        {isLoggedIn === false && <UnauthenticatedView onSignIn={signIn} />}
      </main>
      <footer>This page holds no token: the tokens are in cookies that scripts cannot read.</footer>
    </>
  );
}

function describe(failure: unknown): string {
  if (failure instanceof BffError) return `${failure.message} (${failure.code})`;
  return 'An unexpected error occurred in this page.';
}
