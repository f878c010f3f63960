import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { readConfig } from '../src/config.mjs';

test('a file that cannot be used is named with its variable, and its content is not shown', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'authorization-server-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = (name, content) => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  const environment = {
    ISSUER: 'https://login.example.com',
    SPA_ORIGIN: 'https://www.example.com',
    DATABASE_FILE: join(folder, 'database'),
    CLIENT_SECRET_FILE: file('secret', 'hunter2'),
    GATEWAY_CLIENT_SECRET_FILE: file('gateway', 'hunter3'),
  };
  assert.equal(readConfig(environment).client.secret, 'hunter2');
  for (const [name, path, reason] of [
    ['CLIENT_SECRET_FILE', join(folder, 'nothing'), 'ENOENT'],
    ['CLIENT_SECRET_FILE', file('empty', '\n'), 'empty'],
    ['CLIENT_JWKS_FILE', folder, 'EISDIR'],
    ['CLIENT_JWKS_FILE', file('keys', 'hunter4'), 'not JSON'],
  ]) {
    const message = (error) =>
      error.message.startsWith(`invalid ${name}: `) && error.message.includes(reason) && !error.message.includes('hunter');
    assert.throws(() => readConfig({ ...environment, [name]: path }), message, `${name} ${path}`);
  }
});
