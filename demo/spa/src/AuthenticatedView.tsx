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
        Who you are, from the BFF.
      </Action>
      <Action title="Claims" button="getClaims" label="Get claims" result="getClaimsResult" run={run}
        call={() => api.claims()}>
        What the ID token says, read on the server.
      </Action>
      <Action title="Data" button="getApiData" label="Get data" result="getDataResult" run={run}
        call={() => api.data()}>
        GET from the API, through the gateway.
      </Action>
      <Action title="Change" button="postApiData" label="Post data" result="postDataResult" run={run}
        call={() => api.postData({ item: 'a new order' })}>
        POST to the API: Origin and CSRF value are checked on the way.
      </Action>
      <section>
        <h2>Session</h2>
        <p>The access token is renewed by itself when it has expired, or now:</p>
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
  /** The element ids of the button and of where its result is shown. */
  button: string;
  result: string;
  label: string;
  children: string;
  call: () => Promise<Json>;
  run: Props['run'];
}

function Action({ title, button, result, label, children, call, run }: ActionProps) {
  const [text, setText] = useState('');
  const onClick = () =>
    run(async () => {
      setText('');
      setText(show(await call()));
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
    </section>
  );
}

/** A message as it is, anything else as JSON. */
function show(answer: Json): string {
  if (isObject(answer) && typeof answer['message'] === 'string') return answer['message'];
  return JSON.stringify(answer, null, 2);
}
