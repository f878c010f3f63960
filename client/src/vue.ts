// The session in Vue.

import { getCurrentScope, onScopeDispose, type ShallowRef, shallowReadonly, shallowRef } from 'vue';

import type { BffClient, Claims } from './index.js';
import { follow, type SessionView, view } from './view.js';

/**
 * The session as a ref, updated by every event in any tab until the component is unmounted. The first use handles the page
 * load, unless that has been done.
 * @param pageUrl as for `onPageLoad`
 */
export function useSession<C extends object = Claims>(
  client: BffClient<C>,
  pageUrl?: string,
): Readonly<ShallowRef<SessionView<C>>> {
  const session = shallowRef(view(client.current));
  const stop = follow(client, (changed) => (session.value = changed), pageUrl);
  if (getCurrentScope()) onScopeDispose(stop);
  return shallowReadonly(session);
}

export type { SessionView };
