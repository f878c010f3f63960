// The session in React: a provider, hooks, and a component for views that need a user.

import { createContext, createElement, type ReactNode, useContext, useEffect, useState, useSyncExternalStore } from 'react';

import type { BffClient, BffError, Claims, LoginOptions, Session } from './index.js';
import { load, type SessionView, view } from './view.js';

/** The properties of `RequireLogin`. */
export interface RequireLoginProps {
  /** What only a signed-in user sees. */
  readonly children: ReactNode;
  /** Shown while the session is loading, and while the browser leaves to sign in. Default: nothing. */
  readonly loading?: ReactNode;
  /**
   * Shown if the user has to decide: the sign-in failed, the user has signed out, or the session ended while the page was in
   * use. Default: a button that signs in.
   */
  readonly signedOut?: (session: SessionView, login: () => void) => ReactNode;
  /** Settings of the sign-in. */
  readonly login?: LoginOptions;
}

const UNKNOWN: Session = { isLoggedIn: undefined };
const Context = createContext<unknown>(undefined);

/** Makes the `BffClient` available to `useBff`, `useSession` and `RequireLogin` below it. */
export function BffProvider<C extends object>({ client, children }: { client: BffClient<C>; children?: ReactNode }): ReactNode {
  return createElement(Context.Provider, { value: client }, children);
}

/** The `BffClient` of the nearest `BffProvider`. */
export function useBff<C extends object = Claims>(): BffClient<C> {
  return requireClient(useContext(Context));
}

function requireClient<C extends object>(client: unknown): BffClient<C> {
  if (!client) throw new Error('bff-envoy-client: missing BffClient: wrap the component in <BffProvider client={…}>');
  return client as BffClient<C>;
}

/**
 * The session, updated by every event in any tab. The first component that uses this handles the page load, unless that
 * has been done.
 * @param client by default that of the nearest `BffProvider`
 * @param pageUrl as for `onPageLoad`
 */
export function useSession<C extends object = Claims>(client?: BffClient<C>, pageUrl?: string): SessionView<C> {
  const provided = useContext(Context);
  const bff = requireClient<C>(client ?? provided);
  const session = useSyncExternalStore(
    bff.subscribe,
    () => bff.current,
    () => UNKNOWN as Session<C>,
  );
  useEffect(() => load(bff, pageUrl), [bff, pageUrl]);
  return view(session);
}

/**
 * Shows `children` to signed-in users only. Sends a visitor to the authorization server. Unless `login` says otherwise, the
 * sign-in returns to the same place. If the session ends while the page is in use, shows `signedOut`, and sends nobody away
 * from what they are doing.
 */
export function RequireLogin({ children, loading, signedOut = showButton, login }: RequireLoginProps): ReactNode {
  const bff = useBff();
  const session = useSession(bff);
  const [failure, setFailure] = useState<BffError>();
  const start = () => {
    setFailure(undefined);
    bff.login(login).catch(setFailure);
  };
  const isVisitor = session.isLoggedIn === false && !session.ended && !session.error && !failure;
  useEffect(() => {
    if (isVisitor) start();
  }, [isVisitor]);
  if (session.isLoggedIn) return children;
  if (session.isLoading || isVisitor) return loading;
  return signedOut({ ...session, error: failure ?? session.error }, start);
}

function showButton({ error }: SessionView, login: () => void): ReactNode {
  return createElement(
    'div',
    {},
    error && createElement('p', { role: 'alert' }, error.message),
    createElement('button', { type: 'button', onClick: login }, 'Sign in'),
  );
}

export type { SessionView };
