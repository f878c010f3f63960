// The size of what users of an application download.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

import { build } from 'vite';

const LIMIT_BYTES = 4096;
const STEP_UP_LIMIT_BYTES = 1536;

/** An entry of the package as an application's bundler outputs it: minified, in one file. */
async function bundled(entry) {
  const { output: files } = await build({
    configFile: false,
    logLevel: 'error',
    build: {
      write: false,
      minify: true,
      modulePreload: false,
      rollupOptions: {
        // Not as a library, which keeps its white space.
        input: fileURLToPath(new URL(`../dist/${entry}.js`, import.meta.url)),
        preserveEntrySignatures: 'strict',
        external: ['react'],
      },
    },
  });
  assert.equal(files.length, 1);
  return files[0];
}

test('the main entry is under 4,096 bytes, minified and gzipped (gzip -9), and imports nothing', async (context) => {
  const { code, imports } = await bundled('index');
  const bytes = gzipSync(code, { level: 9 }).length;
  context.diagnostic(`${bytes} bytes`);
  assert.match(code, /x-\$\{[^}]+\}-csrf/, 'this is the client');
  assert.doesNotMatch(code, /\n\s/, 'it is minified');
  assert.ok(bytes < LIMIT_BYTES, `${bytes} bytes`);
  assert.deepEqual(imports, []);
});

test('the entry for step-up is under 1,536 bytes and brings no second copy of the client', async (context) => {
  const { code, imports } = await bundled('step-up');
  const bytes = gzipSync(code, { level: 9 }).length;
  context.diagnostic(`${bytes} bytes`);
  assert.match(code, /insufficient_user_authentication/);
  assert.ok(bytes < STEP_UP_LIMIT_BYTES, `${bytes} bytes`);
  assert.deepEqual(imports, []);
  assert.doesNotMatch(code, /csrf/);
});

test('the React entry brings no second copy of the client', async () => {
  const { code, imports } = await bundled('react');
  assert.deepEqual(imports, ['react']);
  assert.doesNotMatch(code, /csrf/);
});
