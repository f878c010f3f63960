// Step-up: a sign-in for what an API requires, and what becomes of the call. Each page of these tests shares the browser's
// storage and the BFF with the page before it.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { StepUp } from '../dist/step-up.js';
import { client } from './client.mjs';
import { API, fakePage } from './fake-page.mjs';

const DATA = `${API}/api/data`;
const POST = { method: 'POST', body: 'an order' };
const AGE = { max_age: 300 };
const ACR = { acr_values: 'gold silver' };
const RETURN = '/?code=1&state=2';

/** A browser, whose user is signed in. */
function browser() {
  const ofAllTabs = new Map();
  let page;
  return {
    /** A tab, which may load several pages. */
    tab() {
      const ofTab = new Map();
      return {
        async load(path = '/orders') {
          const bff = page?.bff;
          page = fakePage({ path, ofTab, ofAllTabs, ...(bff ? { bff } : {}) });
          if (!bff) page.bff.logIn();
          const events = [];
          const left = [];
          const bffClient = client({ navigate: (url) => left.push(url) });
          const stepUp = new StepUp(bffClient);
          stepUp.subscribe((event) => events.push(event));
          const { error } = await bffClient.onPageLoad();
          await settled();
          return { page, server: page.bff, stepUp, bff: bffClient, events, left, error, types: () => events.map(({ type }) => type) };
        },
      };
    },
  };
}

async function settled() {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => { setImmediate(resolve); });
}

/** The sign-ins that were started, as the BFF received them. */
const logins = ({ requests }) => requests.filter(({ line }) => line === 'POST /bff/login/start').map(({ body }) => JSON.parse(body));

test('a call that is good enough is one of the client, and nothing else is sent', async () => {
  const { stepUp, server, types } = await browser().tab().load();
  assert.deepEqual((await (await stepUp.fetch(DATA, POST)).json()).body, 'an order');
  assert.deepEqual([logins(server), types()], [[], []]);
});

test('a GET leads to a sign-in with what is required, and is repeated after it, at the same place', async () => {
  const tab = browser().tab();
  const before = await tab.load();
  before.server.required = { ...ACR, ...AGE };
  const response = await before.stepUp.fetch('https://api.example.com/api/data?x=1');
  assert.equal(response.status, 401);
  assert.equal((await response.json()).acr_values, 'gold silver', 'the caller can read the response');
  assert.deepEqual(logins(before.server), [{
    extraParams: [{ key: 'acr_values', value: 'gold silver' }, { key: 'max_age', value: '300' }], stepUp: true,
  }]);
  assert.equal(before.server.count('POST /bff/refresh'), 0, 'a refresh does not help');
  assert.equal(before.left.length, 1);
  before.server.required = undefined;
  const after = await tab.load(RETURN);
  assert.deepEqual(after.types(), ['repeated']);
  const [{ call, response: repeated }] = after.events;
  assert.equal(call.url, 'https://api.example.com/api/data?x=1');
  assert.equal((await repeated.json()).user, 'alice');
  assert.equal(location.pathname, '/orders');
});

test('any other call is not repeated', async () => {
  for (const method of ['POST', 'PUT', 'DELETE']) {
    const tab = browser().tab();
    const before = await tab.load();
    before.server.required = AGE;
    await before.stepUp.fetch(new Request(DATA, { method }));
    before.server.required = undefined;
    before.server.requests = [];
    const after = await tab.load(RETURN);
    assert.deepEqual(after.types(), ['completed'], method);
    assert.equal(after.events[0].call.method, method);
    assert.equal(after.server.count(`${method} /api/data`), 0, method);
  }
});

test('a sign-in that comes back too low is an event, and there is no other by itself, not after reloads and in no tab', async () => {
  for (const required of [ACR, AGE, { max_age: 1 }, { ...ACR, max_age: 1 }]) {
    const all = browser();
    const tab = all.tab();
    const before = await tab.load();
    before.server.required = required;
    await before.stepUp.fetch(DATA);
    const after = await tab.load(RETURN);
    assert.deepEqual(after.types(), ['failed']);
    for (const load of [() => tab.load(), () => all.tab().load(), () => tab.load()]) {
      const page = await load();
      await page.stepUp.fetch(DATA);
      await page.stepUp.fetch(DATA, POST);
      assert.deepEqual([page.types(), page.left], [['failed', 'failed'], []]);
    }
    assert.equal(logins(after.server).length, 1, 'one sign-in');
  }
});

test('a sign-in that the BFF refuses is an event with the error, and there is no other by itself', async () => {
  const tab = browser().tab();
  const before = await tab.load();
  before.server.required = AGE;
  await before.stepUp.fetch(DATA);
  const after = await tab.load('/?error=insufficient_user_authentication&state=2');
  assert.deepEqual(after.types(), ['failed']);
  assert.equal(after.events[0].error.code, 'insufficient_user_authentication');
  assert.equal(after.bff.current.isLoggedIn, true, 'the session of before');
  await after.stepUp.fetch(DATA);
  assert.equal(logins(after.server).length, 1);
});

test('a sign-in that cannot begin is an event with the error', async () => {
  const { stepUp, server, types, events } = await browser().tab().load();
  server.required = AGE;
  server.before['POST /bff/login/start'] = () => { throw new TypeError('unreachable'); };
  await stepUp.fetch(DATA);
  assert.deepEqual([types(), events[0].error.code], [['failed'], 'unreachable']);
  await stepUp.fetch(DATA);
  assert.equal(logins(server).length, 1);
});

test('a user who leaves the login page is not sent there again, until the user decides', async () => {
  const tab = browser().tab();
  const before = await tab.load();
  before.server.required = AGE;
  await before.stepUp.fetch(DATA);
  const back = await tab.load();
  assert.deepEqual(back.types(), ['failed']);
  await back.stepUp.fetch(DATA);
  assert.equal(back.left.length, 0);
  await back.events[0].retry();
  assert.deepEqual([back.left.length, logins(back.server).length], [1, 2]);
  back.server.required = undefined;
  assert.deepEqual((await tab.load(RETURN)).types(), ['repeated']);
});

test('a page that comes back from the cache of the browser is as one that was loaded', async () => {
  const { stepUp, server, types, page, left } = await browser().tab().load();
  server.required = AGE;
  await stepUp.fetch(DATA);
  page.events.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true }));
  await settled();
  assert.deepEqual(types(), ['failed']);
  await stepUp.fetch(DATA);
  assert.equal(left.length, 1);
});

test('several calls at once lead to one sign-in', async () => {
  const { stepUp, server, types, left } = await browser().tab().load();
  server.required = AGE;
  await Promise.all([stepUp.fetch(DATA), stepUp.fetch(DATA, POST), stepUp.fetch(DATA)]);
  assert.deepEqual([left.length, types()], [1, []]);
});

test('the call of one user is not repeated as another', async () => {
  const tab = browser().tab();
  const before = await tab.load();
  before.server.logIn('bob');
  await before.bff.session();
  before.server.required = AGE;
  await before.stepUp.fetch(DATA);
  before.server.required = undefined;
  before.server.requests = [];
  const after = await tab.load(RETURN);
  assert.equal(after.bff.current.claims.sub, 'alice');
  assert.deepEqual([after.types(), after.server.count('GET /api/data')], [['completed'], 0]);
});

test('an authentication that has grown old is required again, and is given again by itself', async (context) => {
  const tab = browser().tab();
  const before = await tab.load();
  before.server.required = AGE;
  await before.stepUp.fetch(DATA);
  before.server.required = undefined;
  const after = await tab.load(RETURN);
  after.server.required = AGE;
  const now = Date.now();
  context.mock.method(Date, 'now', () => now + 301_000);
  await after.stepUp.fetch(DATA);
  assert.deepEqual([after.left.length, after.types()], [1, ['repeated']]);
});

test('however short max_age is, there is at most one sign-in a minute by itself', async (context) => {
  for (const [seconds, leaves] of [[59, false], [61, true]]) {
    const tab = browser().tab();
    const before = await tab.load();
    before.server.required = { max_age: 1 };
    await before.stepUp.fetch(DATA, POST);
    const after = await tab.load(RETURN);
    const now = Date.now();
    const clock = context.mock.method(Date, 'now', () => now + seconds * 1000);
    await after.stepUp.fetch(DATA, POST);
    clock.mock.restore();
    assert.deepEqual([after.left.length === 1, after.types()], [leaves, leaves ? ['completed'] : ['completed', 'failed']], `${seconds} s`);
  }
});

test('after another sign-in, or the end of the session, a requirement is new', async () => {
  for (const begin of [
    async (tab) => tab.load(RETURN),
    async (tab) => {
      const page = await tab.load();
      page.server.session = undefined;
      await page.bff.session();
      page.server.logIn();
      return tab.load();
    },
  ]) {
    const tab = browser().tab();
    const before = await tab.load();
    before.server.required = ACR;
    await before.stepUp.fetch(DATA);
    await tab.load();
    const after = await begin(tab);
    await after.stepUp.fetch(DATA);
    assert.deepEqual([after.left.length, after.types()], [1, []]);
  }
});

test('without storage nobody is sent away by itself', async (context) => {
  const { stepUp, server, types, left } = await browser().tab().load();
  server.required = AGE;
  for (const name of ['localStorage', 'sessionStorage']) {
    const storage = globalThis[name];
    context.mock.method(storage, 'setItem', () => { throw new DOMException('disabled', 'SecurityError'); });
    context.mock.method(storage, 'getItem', () => { throw new DOMException('disabled', 'SecurityError'); });
  }
  await stepUp.fetch(DATA);
  assert.deepEqual([left, types()], [[], ['failed']]);
});

test('another server cannot have the user sign in', async (context) => {
  const { stepUp, server, types, left } = await browser().tab().load();
  const step = async () => Response.json({ code: 'insufficient_user_authentication', max_age: 1 }, { status: 401 });
  context.mock.method(globalThis, 'fetch', step);
  for (const url of ['https://evil.example/api', '/same-origin-as-the-page']) {
    assert.equal((await stepUp.fetch(url)).status, 401);
  }
  assert.deepEqual([left, types(), logins(server)], [[], [], []]);
});

test('HTTP 401 of another kind is refreshed as always, and what follows is looked at', async () => {
  const { stepUp, server, left } = await browser().tab().load();
  server.isTokenValid = false;
  server.required = AGE;
  assert.equal((await stepUp.fetch(DATA)).status, 401);
  assert.deepEqual([server.count('POST /bff/refresh'), left.length], [1, 1]);
});
