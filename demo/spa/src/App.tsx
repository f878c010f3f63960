import { BffError } from 'bff-envoy-client';
import { useSession } from 'bff-envoy-client/react';
import { useCallback, useEffect, useState } from 'react';

import type { Api } from './api';
import { AuthenticatedView } from './AuthenticatedView';
import { BreakSomething } from './BreakSomething';
import { Cookies } from './Cookies';
import { Requests } from './Requests';
import { SessionEnd } from './SessionEnd';
import type { RequestRecorder } from './requests';
import { UnauthenticatedView } from './UnauthenticatedView';

interface Props {
  api: Api;
  /** The page's URL with the authorization response, if the page was loaded with one. */
  pageUrl: string | undefined;
  recorder: RequestRecorder;
}

export function App({ api, pageUrl, recorder }: Props) {
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

  const [trustUrl, setTrustUrl] = useState<string>();

  useEffect(() => {
    setTrustUrl(undefined);
    if (session.error === undefined) return;
    setError(describe(session.error));
    if (session.error.code !== 'unreachable') return;
    const { origin } = new URL(api.config.apiBaseUrl);
    if (origin === location.origin) return;
    // The browser gives no reason. It may be the certificate if the host does not respond to another request either.
    void api.isReachable().then((isReachable) => setTrustUrl(isReachable ? undefined : `${origin}/trusted`));
  }, [session.error, api]);

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
        {trustUrl !== undefined && <Trust url={trustUrl} />}
        {session.expiresAt !== undefined && <SessionEnd client={client} expiresAt={session.expiresAt} run={run} />}
        {isLoggedIn === true && <AuthenticatedView api={api} run={run} />}
        {isLoggedIn === false && <UnauthenticatedView onSignIn={signIn} />}
        {isLoggedIn === true && <Cookies />}
        <Requests recorder={recorder} />
        {api.config.takesCommands && <BreakSomething />}
      </main>
      <footer>This page holds no token: the tokens are in cookies that scripts cannot read.</footer>
    </>
  );
}

/** The way to the browser's warning about another host of the demo: an exception is for one host only. */
function Trust({ url }: { url: string }) {
  const { host } = new URL(url);
  return (
    <section id="trust">
      <h2>Is the certificate trusted?</h2>
      <p>
        The page cannot connect to <code>{host}</code>. If you have accepted a warning for this page, your browser shows
        another for that host: open the host, accept the warning, and you return to this page. Your browser shows a third
        for the login page.
      </p>
      <a className="button" href={url}>
        Open {host}
      </a>
    </section>
  );
}

function describe(failure: unknown): string {
  if (failure instanceof BffError) return `${failure.message} (${failure.code})`;
  return 'An unexpected error occurred in this page. Reload it.';
}
