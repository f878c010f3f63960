import type { BffClient } from 'bff-envoy-client';
import { useEffect, useState } from 'react';

interface Props {
  client: BffClient;
  /** When the session ends, in milliseconds since 1970. */
  expiresAt: number;
  run: (work: () => Promise<void>) => Promise<void>;
}

/** Says that the session is about to end, and lets the user stay. */
export function SessionEnd({ client, expiresAt, run }: Props) {
  const secondsLeft = () => Math.max(0, Math.round((expiresAt - Date.now()) / 1000));
  const [seconds, setSeconds] = useState(secondsLeft);
  const [isFinal, setIsFinal] = useState(false);

  useEffect(() => {
    setSeconds(secondsLeft());
    const timer = setInterval(() => setSeconds(secondsLeft()), 1000);
    return () => clearInterval(timer);
  }, [expiresAt]);

  const stay = () => run(async () => setIsFinal(!(await client.touch())));

  return (
    <section id="sessionEnd">
      <h2>Your session is about to end</h2>
      {/* Read aloud once, not every second. */}
      <p role="alert">{isFinal ? 'The session cannot be prolonged: sign in again when it has ended.' : 'Stay signed in to continue.'}</p>
      <p>
        <span id="secondsLeft">{seconds}</span> seconds left
      </p>
      {!isFinal && (
        <button id="stay" type="button" onClick={stay}>
          Stay signed in
        </button>
      )}
    </section>
  );
}
