'use client';

import { BffClient } from 'bff-envoy-client';
import { BffProvider, useBff, useSession } from 'bff-envoy-client/react';
import { useState } from 'react';

// The server and the browser load this module.
const client = new BffClient<{ given_name?: string }>({ bffUrl: '/bff' });

export function Session() {
  return <BffProvider client={client}><View /></BffProvider>;
}

function View() {
  const bff = useBff();
  const { isLoading, isLoggedIn, claims } = useSession<{ given_name?: string }>();
  const [data, setData] = useState('');
  if (isLoading) return <p id="loading">Loading…</p>;
  if (!isLoggedIn) return <button id="signIn" onClick={() => void bff.login()}>Sign in</button>;
  return (
    <>
      <p id="user">{claims?.given_name}</p>
      <button id="load" onClick={async () => setData(await (await bff.fetch('/api/data')).text())}>Load</button>
      <button id="signOut" onClick={() => void bff.logout()}>Sign out</button>
      <pre id="data">{data}</pre>
    </>
  );
}
