import { useState } from 'react';

import { type Api, isObject, type Json } from './api';

interface Props {
  api: Api;
  run: (work: () => Promise<void>) => Promise<void>;
}

export function AuthenticatedView({ api, run }: Props) {
  const [refreshes, setRefreshes] = useState(0);

  const signOut = () => run(() => api.client.logout());

  const refresh = () =>
    run(async () => {
      await api.client.refresh();
      setRefreshes((count) => count + 1);
    });

  return (
    <>
      <Action title="User info" button="getUserInfo" label="Get user info" result="getUserInfoResult" run={run}
        call={() => api.userInfo()}>
        Claims about you, from the service.
      </Action>
      <Action title="Claims" button="getClaims" label="Get claims" result="getClaimsResult" run={run}
        call={() => api.claims()}>
        The claims of the ID token, read by the service.
      </Action>
      <Action title="Data" button="getApiData" label="Get data" result="getDataResult" run={run}
        call={() => api.data()}>
        GET from the API, through Envoy and the filter.
      </Action>
      <Action title="Change" button="postApiData" label="Post data" result="postDataResult" run={run}
        call={() => api.postData({ item: 'a new order' })}>
        POST to the API: the filter checks Origin and CSRF header.
      </Action>
      <section>
        <h2>Session</h2>
        <p>An expired access token is refreshed automatically. To refresh it now:</p>
        <div className="buttons">
          <button id="refreshToken" type="button" className="secondary" onClick={refresh}>
            Refresh token
          </button>
          <button id="signOut" type="button" className="secondary" onClick={signOut}>
            Sign out
          </button>
        </div>
        <output id="refreshTokenResult">{refreshes > 0 && `Refreshed ${refreshes === 1 ? 'once' : `${refreshes} times`}`}</output>
      </section>
    </>
  );
}

interface ActionProps {
  title: string;
  /** The element ids of the button and of its result. */
  button: string;
  result: string;
  label: string;
  children: string;
  call: () => Promise<Json>;
  run: Props['run'];
}

function Action({ title, button, result, label, children, call, run }: ActionProps) {
  const [text, setText] = useState('');
  const [received, setReceived] = useState<Json>();
  const onClick = () =>
    run(async () => {
      setText('');
      setReceived(undefined);
      const json = await call();
      setText(show(json));
      if (isObject(json)) setReceived(json['received']);
    });
  return (
    <section>
      <h2>{title}</h2>
      <p>{children}</p>
      <button id={button} type="button" onClick={onClick}>
        {label}
      </button>
      <pre id={result} aria-live="polite">
        {text}
      </pre>
      {received !== undefined && (
        <details>
          <summary>What the API received</summary>
          <pre id={`${result}Received`}>{JSON.stringify(received, null, 2)}</pre>
        </details>
      )}
    </section>
  );
}

/** Shows a message as it is, any other value as JSON. */
function show(json: Json): string {
  if (isObject(json) && typeof json['message'] === 'string') return json['message'];
  return JSON.stringify(json, null, 2);
}
