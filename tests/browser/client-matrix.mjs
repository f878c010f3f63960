// The client package in one framework: packs it, installs it into a copy of an application of tests/client-matrix, builds and
// starts that in front of the demo system, and walks through it.
//
// node client-matrix.mjs FRAMEWORK. Environment: as for lib.mjs; WEB_ORIGIN, NPM, MATRIX (the folder for the copies).
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { cp, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { API, LOGIN, USER, fillIn, shown, startBrowser } from './lib.mjs';

const run = promisify(execFile);
const [, , framework] = process.argv;
const { WEB_ORIGIN, CA_FILE, NPM = 'npm', MATRIX } = process.env;
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const folder = join(MATRIX, framework);

// Browsers resolve names below localhost to this machine. Node.js asks the system, which may not know them.
const NAMES = `import dns from 'node:dns';
const { lookup } = dns;
dns.lookup = (name, options, done) => lookup(/\\.localhost$/.test(name) ? '127.0.0.1' : name, options, done);
`;

async function install() {
  await mkdir(MATRIX, { recursive: true });
  // What npm has already installed stays.
  for (const name of await readdir(folder).catch(() => [])) {
    if (name !== 'node_modules' && name !== 'package-lock.json') await rm(join(folder, name), { recursive: true });
  }
  await cp(here(`../client-matrix/${framework}`), folder, { recursive: true });
  await run(NPM, ['pack', '--ignore-scripts', '--pack-destination', folder], { cwd: here('../../client') });
  const tarball = (await readdir(folder)).find((name) => name.endsWith('.tgz'));
  await run(NPM, ['install', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error', `./${tarball}`], { cwd: folder });
  await writeFile(join(folder, 'names.mjs'), NAMES);
}

async function build(environment) {
  const building = run(NPM, ['run', 'build'], { cwd: folder, env: environment });
  await building.catch((error) => assert.fail(`building the application failed: ${error.stdout}\n${error.stderr}`));
}

/** Starts the application's own server. Returns a function that stops it. */
async function start(environment) {
  const arguments_ = ['run', 'start', '--', '--port', new URL(WEB_ORIGIN).port];
  const child = spawn(NPM, arguments_, { cwd: folder, env: environment, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => { log += chunk; });
  for (const end = Date.now() + 60_000; !(await fetch(WEB_ORIGIN).then(({ ok }) => ok, () => false)); await sleep(200)) {
    assert.ok(child.exitCode === null && Date.now() < end, `the application does not respond: ${log}`);
  }
  return () => process.kill(-child.pid);
}

async function walk(browser) {
  const page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(20_000);
  const errors = [];
  page.on('pageerror', (error) => errors.push(error.message));
  await page.goto(`${WEB_ORIGIN}/?from=a-link`);
  await page.click('#signIn');
  await page.waitForURL((url) => url.origin === LOGIN);
  await fillIn(page, USER);
  await shown(page, '#user', /Demo/);
  assert.equal(page.url(), `${WEB_ORIGIN}/?from=a-link`, 'the place where the sign-in began');
  await page.click('#load');
  await shown(page, '#data', /Success response/);
  await page.reload();
  await shown(page, '#user', /Demo/);
  await page.click('#signOut');
  // The authorization server asks the user if a page of another site signs out.
  await page.waitForURL((url) => url.origin === LOGIN);
  await page.click('button[value=yes]');
  await page.waitForSelector('#signIn');
  assert.deepEqual(errors, []);
}

const environment = {
  ...process.env,
  GATEWAY: API,
  NODE_EXTRA_CA_CERTS: CA_FILE,
  NODE_OPTIONS: `--import ${join(folder, 'names.mjs')}`,
  NEXT_TELEMETRY_DISABLED: '1',
  NG_CLI_ANALYTICS: 'false',
};
await install();
await build(environment);
const stop = await start(environment);
const browser = await startBrowser();
try {
  if (framework === 'next') assert.match(await (await fetch(WEB_ORIGIN)).text(), /Loading…/, 'rendered on the server');
  await walk(browser);
  console.log(`walked through the client package in ${framework}`);
} finally {
  await browser.close();
  stop();
}
