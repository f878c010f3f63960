// The client package as an application gets it: packed and installed into a new Vite project, with the code of its README, and
// with the real system through Vite's development server, which must be at WEB_ORIGIN.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { cp, mkdtemp, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { inBrowser } from './context.mjs';
import { API, LOGIN, USER, fillIn, shown } from './lib.mjs';

/** Runs a program, and kills it if it hangs. */
const run = (file, args, options) => promisify(execFile)(file, args, { timeout: 200_000, ...options });
const NPM = process.env.NPM || 'npm';
const { WEB_ORIGIN } = process.env;
const CLIENT = fileURLToPath(new URL('../../client', import.meta.url));

// The versions of the demo's own page, which npm has fetched already.
const read = async (path) => JSON.parse(await readFile(join(CLIENT, path), 'utf8'));
const { dependencies, devDependencies } = await read('../demo/spa/package.json');
const { vue } = (await read('package.json')).devDependencies;

const PACKAGE = {
  name: 'fresh',
  private: true,
  type: 'module',
  scripts: { dev: 'vite', build: 'tsc --noEmit && vite build' },
  dependencies: { ...dependencies, vue },
  devDependencies: { ...devDependencies, '@vitejs/plugin-react': '6.3.0' },
};
const TSCONFIG = {
  compilerOptions: {
    target: 'ES2022', lib: ['ES2022', 'DOM', 'DOM.Iterable'], module: 'ESNext', moduleResolution: 'bundler', jsx: 'react-jsx',
    strict: true, noEmit: true, types: ['vite/client'],
  },
  include: ['src'],
};
const page = (script) => `<!doctype html><html lang="en"><title>fresh</title><div id="root"></div>
<button id="signIn">Sign in</button><button id="post">Post</button><p id="out"></p><script type="module" src="/src/${script}"></script></html>`;

// What an application adds to the README's three calls: buttons, and an element for the results.
const THREE_CALLS = `import { pageLoad, postOrder, signIn } from './bff';

const on = (id: string, work: () => unknown) => document.getElementById(id)!.addEventListener('click', work);
const out = (text: string) => { document.getElementById('out')!.textContent = text; };
on('signIn', signIn);
on('post', async () => out(JSON.stringify(await (await postOrder()).json())));
const { isLoggedIn, claims } = await pageLoad;
out(isLoggedIn ? \`signed in: \${String(claims?.given_name)}\` : 'signed out');
`;
const react = (component) => `import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';

import ${component} from './${component}';

createRoot(document.getElementById('root')!).render(<StrictMode><${component} /></StrictMode>);
`;
// A page without a bundler. Vite serves the public folder as it is.
const PLAIN = `<!doctype html><html lang="en"><title>plain</title><button id="signIn">Sign in</button><button id="signOut">Sign out</button><p id="out"></p>
<script type="module">
  import { BffClient } from '/client/index.js';
  const bff = new BffClient({ bffUrl: '/bff' });
  document.getElementById('signIn').addEventListener('click', () => bff.login());
  document.getElementById('signOut').addEventListener('click', () => bff.logout());
  const { isLoggedIn, claims } = await bff.onPageLoad();
  document.getElementById('out').textContent = isLoggedIn ? 'signed in: ' + claims.given_name : 'signed out';
</script></html>`;

// Browsers resolve names below localhost to this machine. Node.js asks the system, which may not know them.
const NAMES = `import dns from 'node:dns';
const { lookup } = dns;
dns.lookup = (name, options, done) => lookup(/\\.localhost$/.test(name) ? '127.0.0.1' : name, options, done);
`;

let folder;
let vite;

/** The README's code, by file name. */
async function readmeFiles() {
  const text = await readFile(join(CLIENT, 'README.md'), 'utf8');
  return Object.fromEntries([...text.matchAll(/^```tsx? (\S+)\n(.*?)^```$/gms)].map(([, name, code]) => [name, code]));
}

async function write(files) {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content, null, 2));
  }
}

/** Starts Vite's development server. `ready` waits until it responds. */
function startVite() {
  const environment = {
    ...process.env, GATEWAY: API, NODE_EXTRA_CA_CERTS: process.env.CA_FILE, NODE_OPTIONS: `--import ${join(folder, 'names.mjs')}`,
  };
  // The README's port is the developer's own. Here several systems run at once.
  const arguments_ = ['node_modules/vite/bin/vite.js', '--host', 'localhost', '--port', new URL(WEB_ORIGIN).port];
  const child = spawn(process.execPath, arguments_, { cwd: folder, env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  child.stdout.on('data', (chunk) => { log += chunk; });
  child.stderr.on('data', (chunk) => { log += chunk; });
  const responds = () => fetch(WEB_ORIGIN).then((response) => response.ok, () => false);
  const ready = async () => {
    for (const deadline = Date.now() + 60_000; !await responds(); await sleep(200)) {
      assert.equal(child.exitCode, null, `Vite has exited: ${log}`);
      assert.ok(Date.now() < deadline, `starting Vite timed out after 60 s: ${log}`);
    }
  };
  return { child, ready };
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bff-fresh-'));
  // It was built before: see `cargo xtask test`.
  await run(NPM, ['pack', '--ignore-scripts', '--pack-destination', folder], { cwd: CLIENT });
  const tarball = (await readdir(folder)).find((name) => name.endsWith('.tgz'));
  await write({ 'package.json': PACKAGE, 'tsconfig.json': TSCONFIG, 'names.mjs': NAMES });
  await run(NPM, ['install', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error', `./${tarball}`], { cwd: folder });
  await write(await readmeFiles());
  await write({
    'src/three-calls.ts': THREE_CALLS, 'src/main.tsx': react('App'), 'src/guarded.tsx': react('Orders'), 'index.html': page('three-calls.ts'),
    'public/plain.html': PLAIN,
  });
  await cp(join(folder, 'node_modules/bff-envoy-client/dist'), join(folder, 'public/client'), { recursive: true });
  vite = startVite();
  await vite.ready();
}, { timeout: 240_000 });

after(async () => {
  vite?.child.kill();
  if (folder) await rm(folder, { recursive: true, force: true });
});

test('the package holds what its entries name, and nothing of its tests', async () => {
  const installed = join(folder, 'node_modules/bff-envoy-client');
  const { exports, dependencies: needed, sideEffects } = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8'));
  const files = (entry) => (typeof entry === 'string' ? [entry] : Object.values(entry).flatMap(files));
  for (const file of files(exports)) assert.ok((await readFile(join(installed, file), 'utf8')).length > 0);
  assert.deepEqual([needed, sideEffects], [undefined, false]);
  assert.deepEqual((await readdir(installed)).sort(), ['LICENSE', 'README.md', 'dist', 'package.json']);
});

test('the README’s code has right types, and builds', async () => {
  await run(NPM, ['run', 'build'], { cwd: folder });
});

test('the three calls of the README work', inBrowser(async (tab) => {
  await tab.goto(`${WEB_ORIGIN}/orders/42?x=1`);
  await shown(tab, '#out', /signed out/);
  await tab.click('#signIn');
  await tab.waitForURL((url) => url.origin === LOGIN);
  await fillIn(tab, USER);
  await tab.waitForURL(`${WEB_ORIGIN}/orders/42?x=1`);
  await shown(tab, '#out', /signed in: Demo/);
  await tab.click('#post');
  await shown(tab, '#out', /Success response/);
  const names = (await tab.context().cookies(`${WEB_ORIGIN}/bff`)).map(({ name }) => name).filter((name) => name.includes('example-'));
  assert.deepEqual(names.sort(), ['__Host-Http-example-at', '__Host-Http-example-csrf', '__Http-example-auth', '__Http-example-id']);
}));

test('a page without a bundler works', inBrowser(async (tab) => {
  await tab.goto(`${WEB_ORIGIN}/plain.html`);
  await shown(tab, '#out', /signed out/);
  await tab.click('#signIn');
  await tab.waitForURL((url) => url.origin === LOGIN);
  await fillIn(tab, USER);
  await tab.waitForURL(`${WEB_ORIGIN}/plain.html`);
  await shown(tab, '#out', /signed in: Demo/);
}));

test('RequireLogin sends a visitor to sign in, and nobody away who has signed out', inBrowser(async (tab) => {
  await write({ 'index.html': page('guarded.tsx') });
  await tab.goto(`${WEB_ORIGIN}/orders/7`);
  await tab.waitForURL((url) => url.origin === LOGIN);
  await fillIn(tab, USER);
  await shown(tab, '#orders', /Orders of Demo/);
  assert.equal(tab.url(), `${WEB_ORIGIN}/orders/7`);
  // Another tab ends the session.
  const other = await tab.context().newPage();
  await other.goto(`${WEB_ORIGIN}/plain.html`);
  await shown(other, '#out', /signed in: Demo/);
  await other.click('#signOut');
  await tab.waitForSelector('#root button');
  assert.equal(tab.url(), `${WEB_ORIGIN}/orders/7`);
  await tab.click('#root button');
  // The other tab has not confirmed the sign-out at the authorization server, which therefore asks for nothing.
  await shown(tab, '#orders', /Orders of Demo/);
}));

test('the README’s React component works', inBrowser(async (tab) => {
  await write({ 'index.html': page('main.tsx') });
  await tab.goto(WEB_ORIGIN);
  await tab.click('#root #signIn');
  await tab.waitForURL((url) => url.origin === LOGIN);
  await fillIn(tab, USER);
  await shown(tab, '#user', /Demo/);
  assert.equal(new URL(tab.url()).search, '');
  await tab.click('#load');
  await shown(tab, '#data', /Success response/);
  const other = await tab.context().newPage();
  await other.goto(WEB_ORIGIN);
  await shown(other, '#user', /Demo/);
  await tab.click('#signOut');
  // The authorization server asks the user if a page of another site signs out.
  await tab.waitForURL((url) => url.origin === LOGIN);
  await tab.click('button[value=yes]');
  await tab.waitForSelector('#root #signIn');
  await other.waitForSelector('#root #signIn');
}));
