// Commands to the program that runs the demo. They exist in the demo only, and only if `cargo xtask up` runs it.

/** A component of the demo. */
export interface Component {
  readonly name: string;
  readonly state: 'ready' | 'not ready' | 'stopped';
}

/** The state of the demo. */
export interface DemoState {
  readonly components: readonly Component[];
  /** The lifetime of access tokens that are issued from now on, in seconds. `null`: the authorization server does not respond. */
  readonly accessTokenSeconds: number | null;
}

/** Requests the state of the demo. */
export function demoState(): Promise<DemoState> {
  return readState(fetch('/demo/state', { cache: 'no-store' }));
}

/** Carries out a command, such as `stop/bff`. Returns the state afterwards. */
export function command(path: string): Promise<DemoState> {
  return readState(fetch(`/demo/${path}`, { method: 'POST' }));
}

async function readState(sent: Promise<Response>): Promise<DemoState> {
  const response = await sent.catch(() => undefined);
  const body = (await response?.json().catch(() => undefined)) as (DemoState & { error?: string }) | undefined;
  if (response?.ok && body) return body;
  throw new Error(body?.error ?? 'the demo does not respond: start it with `cargo xtask up`');
}
