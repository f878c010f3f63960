// The session in Angular: a provider, and signals.

import { DestroyRef, inject, InjectionToken, type Provider, type Signal, signal } from '@angular/core';

import type { BffClient, Claims } from './index.js';
import { follow, type SessionView, view } from './view.js';

const BFF = new InjectionToken<unknown>('bff-envoy-client');

/** For `providers` of the application's configuration: makes the `BffClient` available to `injectBff` and `injectSession`. */
export function provideBff<C extends object>(client: BffClient<C>): Provider {
  return { provide: BFF, useValue: client };
}

/** The provided `BffClient`. Call it in an injection context, such as a field of a component. */
export function injectBff<C extends object = Claims>(): BffClient<C> {
  return inject(BFF) as BffClient<C>;
}

/**
 * The session as a signal, updated by every event in any tab until the injector is destroyed. The first use handles the page
 * load, unless that has been done. Call it in an injection context, such as a field of a component.
 * @param pageUrl as for `onPageLoad`
 */
export function injectSession<C extends object = Claims>(pageUrl?: string): Signal<SessionView<C>> {
  const client = injectBff<C>();
  const session = signal(view(client.current));
  inject(DestroyRef).onDestroy(follow(client, (changed) => session.set(changed), pageUrl));
  return session.asReadonly();
}

export type { SessionView };
