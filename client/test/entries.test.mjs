// The package's entries: each module system and type resolution finds them, and each framework sees the session.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { createEnvironmentInjector, Injector, runInInjectionContext } from '@angular/core';
import { createElement } from 'react';
import { renderToString } from 'react-dom/server';
import { effectScope } from 'vue';

import { BffClient } from '../dist/index.js';
import { injectBff, injectSession, provideBff } from '../dist/angular.js';
import { BffProvider, RequireLogin, useSession } from '../dist/react.js';
import { sessionStore } from '../dist/svelte.js';
import { useSession as useVueSession } from '../dist/vue.js';
import { API, fakePage } from './fake-page.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const ENTRIES = { '.': 'BffClient', './react': 'useSession', './vue': 'useSession', './svelte': 'sessionStore', './angular': 'injectSession', './streams': 'keepOpen', './step-up': 'StepUp' };

/** An identifier for an entry. */
const name = (entry) => entry.slice(2).replace('-', '') || 'core';

/** A page with a signed-in user and a client that has not loaded the session. */
function loading() {
  const page = fakePage();
  page.bff.logIn();
  return { page, client: new BffClient({ bffUrl: `${API}/bff`, navigate: () => {} }) };
}

/** Waits until `read` returns what is wanted, for at most some turns of the event loop. */
async function becomes(read, wanted) {
  for (let turn = 0; turn < 1000 && read() !== wanted; turn++) await new Promise((resolve) => { setImmediate(resolve); });
  assert.equal(read(), wanted);
}

test('every entry can be imported, and all but that of Angular can be required', async () => {
  const require = createRequire(import.meta.url);
  const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  assert.deepEqual(Object.keys(exports).filter((entry) => entry !== './package.json'), Object.keys(ENTRIES));
  for (const [entry, name] of Object.entries(ENTRIES)) {
    const id = `bff-envoy-client${entry.slice(1)}`;
    assert.equal(typeof (await import(id))[name], 'function', id);
    // Angular itself is no CommonJS.
    if (entry === './angular') assert.throws(() => require(id), { code: 'ERR_PACKAGE_PATH_NOT_EXPORTED' });
    else assert.equal(typeof require(id)[name], 'function', id);
  }
});

test('the types are found by a bundler and by Node.js, as a module and as CommonJS', (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'bff-types-'));
  context.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(ROOT, join(folder, 'node_modules/bff-envoy-client'));
  const use = (entries) => entries.map((entry) => `import { ${ENTRIES[entry]} as ${name(entry)} } from 'bff-envoy-client${entry.slice(1)}';\n`).join('')
    + `import { type BffErrorCode, BffClient } from 'bff-envoy-client';
const client = new BffClient<{ sub: string; given_name?: string }>({ bffUrl: '/bff' });
export const name: string | undefined = client.current.claims?.given_name;
export const code: BffErrorCode | undefined = client.current.error?.code;
// @ts-expect-error: no such claim
client.current.claims?.family_name;
export const all = [${entries.map((entry) => name(entry)).join(', ')}];\n`;
  const entries = Object.keys(ENTRIES);
  writeFileSync(join(folder, 'module.mts'), use(entries));
  writeFileSync(join(folder, 'common.cts'), use(entries.filter((entry) => entry !== './angular')));
  const tsc = join(ROOT, 'node_modules/.bin/tsc');
  const options = ['--noEmit', '--strict', '--skipLibCheck', '--preserveSymlinks', 'false', '--target', 'es2022', '--lib', 'es2023,dom', '--types', ''];
  for (const [resolution, files] of [['bundler', ['module.mts']], ['nodenext', ['module.mts', 'common.cts']]]) {
    const module = resolution === 'bundler' ? 'esnext' : resolution;
    execFileSync(tsc, [...options, '--module', module, '--moduleResolution', resolution, ...files], { cwd: folder, stdio: 'inherit' });
  }
});

test('a server renders a page whose session is loading, with every entry and without a request', () => {
  const { page, client } = loading();
  delete globalThis.document;
  const Name = () => String(useSession().isLoading);
  const render = (child) => renderToString(createElement(BffProvider, { client }, child));
  assert.equal(render(createElement(Name)), 'true');
  assert.equal(render(createElement(RequireLogin, { loading: 'wait' }, 'secret')), 'wait');
  assert.equal(useVueSession(client).value.isLoading, true);
  let shown;
  sessionStore(client).subscribe((session) => { shown = session; });
  assert.equal(shown.isLoading, true);
  assert.deepEqual(page.bff.requests, []);
});

test('a component without a provider is told what to do', () => {
  assert.throws(() => renderToString(createElement(() => useSession().isLoading)), /wrap the component in <BffProvider/);
});

test('Vue, Svelte and Angular show the session, follow it, and stop when their component is gone', async () => {
  const uses = {
    vue(client) {
      const scope = effectScope();
      const session = scope.run(() => useVueSession(client));
      return { read: () => session.value, stop: () => scope.stop() };
    },
    svelte(client) {
      let session;
      const stop = sessionStore(client).subscribe((changed) => { session = changed; });
      return { read: () => session, stop };
    },
    angular(client) {
      const injector = createEnvironmentInjector([provideBff(client)], Injector.NULL);
      const session = runInInjectionContext(injector, () => {
        assert.equal(injectBff(), client);
        return injectSession();
      });
      return { read: () => session(), stop: () => injector.destroy() };
    },
  };
  for (const [name, use] of Object.entries(uses)) {
    const { page, client } = loading();
    const { read, stop } = use(client);
    assert.deepEqual([read().isLoading, read().isLoggedIn], [true, undefined], name);
    await becomes(() => read().claims?.sub, 'alice');
    assert.deepEqual([read().isLoading, page.bff.count('GET /bff/session')], [false, 1], name);
    page.bff.logIn('bob');
    await client.session();
    assert.equal(read().claims.sub, 'bob', name);
    stop();
    page.bff.logIn('carol');
    await client.session();
    assert.equal(read().claims.sub, 'bob', name);
  }
});

test('a page load that fails is shown with its error by every entry', async () => {
  for (const use of [
    (client) => { const session = useVueSession(client); return () => session.value; },
    (client) => { let session; sessionStore(client).subscribe((changed) => { session = changed; }); return () => session; },
  ]) {
    const { page, client } = loading();
    page.bff.instead = () => new Response('<html>', { status: 502 });
    const read = use(client);
    await becomes(() => read().error?.code, 'unusable_answer');
    assert.equal(read().isLoading, false);
  }
});
