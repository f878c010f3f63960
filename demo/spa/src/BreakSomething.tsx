import { useCallback, useEffect, useState } from 'react';

import { command, type Component, type DemoState, demoState } from './commands';

const POLL_MS = 2000;
const USUAL_SECONDS = 300;
const SHORT_SECONDS = 10;

/** What happens while a component is stopped. */
const WITHOUT: Record<string, string> = {
  'authorization-server': 'The API still responds for sessions whose access tokens the filter has seen. Sign-in and refresh fail with HTTP 502 or 503, and nobody is signed out.',
  api: 'Envoy responds in its place, with HTTP 503. The session continues.',
  bff: 'The API still responds, since the filter opens the cookie itself. If no other replica is running, there is no refresh and no sign-in until the service is back.',
  'bff-2': 'If the other replica is running, it takes over, and users notice nothing.',
  redis: 'Each replica continues alone. /metrics and the log of the service say so.',
};

/** Stops and starts components of the demo, so that the reader sees how the page, the filter and the service respond. */
export function BreakSomething() {
  const [state, setState] = useState<DemoState>();
  const [error, setError] = useState('');
  const [isBusy, setIsBusy] = useState(false);

  const show = useCallback((requested: Promise<DemoState>) => {
    return requested.then(
      (state) => {
        setState(state);
        setError('');
      },
      (failure: Error) => setError(failure.message),
    );
  }, []);

  useEffect(() => {
    let timer = 0;
    const poll = async () => {
      if (!document.hidden) await show(demoState());
      timer = window.setTimeout(poll, POLL_MS);
    };
    void poll();
    return () => clearTimeout(timer);
  }, [show]);

  const run = (path: string) => {
    setIsBusy(true);
    void show(command(path)).finally(() => setIsBusy(false));
  };
  const seconds = state?.accessTokenSeconds ?? undefined;
  const isShort = seconds !== undefined && seconds <= SHORT_SECONDS;

  return (
    <section className="wide" id="breakSomething">
      <h2>Break something</h2>
      <p>Stop a component, press the buttons above, and see in the list of requests what becomes of them.</p>
      <p role="alert" className="fault" hidden={error === ''}>
        {error}
      </p>
      <ul className="components">
        {state?.components.map((component) => (
          <Part key={component.name} component={component} isBusy={isBusy} run={run} />
        ))}
      </ul>
      <div className="buttons">
        <button id="shortTokens" type="button" className="secondary" disabled={isBusy || seconds === undefined}
          onClick={() => run(`access-token-seconds/${isShort ? USUAL_SECONDS : SHORT_SECONDS}`)}>
          {isShort ? `Let access tokens live ${USUAL_SECONDS} s again` : `Let access tokens live ${SHORT_SECONDS} s`}
        </button>
        <button id="endSessions" type="button" className="secondary" disabled={isBusy || seconds === undefined}
          onClick={() => run('end-sessions')}>
          End the session from outside
        </button>
      </div>
      <p>
        {isShort
          ? `Press "Refresh token" once: the new access token expires after ${SHORT_SECONDS} s. The filter refuses the first call after that. The page then refreshes the session and sends the call again.`
          : 'Ending the session does what an administrator of the authorization server would do: the filter refuses the cookies of the session within seconds.'}
      </p>
    </section>
  );
}

function Part({ component: { name, state }, isBusy, run }: { component: Component; isBusy: boolean; run: (path: string) => void }) {
  const isStopped = state === 'stopped';
  return (
    <li id={`part-${name}`} data-state={state}>
      <span className={`state ${state.replace(' ', '-')}`}>{state}</span>
      <code>{name}</code>
      <button type="button" className="secondary" disabled={isBusy} onClick={() => run(`${isStopped ? 'start' : 'stop'}/${name}`)}
        aria-label={`${isStopped ? 'Start' : 'Stop'} ${name}`}>
        {isStopped ? 'Start' : 'Stop'}
      </button>
      {isStopped && <small>{WITHOUT[name]}</small>}
    </li>
  );
}
