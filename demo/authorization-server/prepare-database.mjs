// Creates a database with keys and the demo user: `node prepare-database.mjs FILE`. Tests start many servers, each with a copy
// of it: generating the keys would take a third of the processor time of a start.
import { renameSync, rmSync } from 'node:fs';

import { findOrCreateDemoUser } from './src/accounts.mjs';
import { openDatabase } from './src/database.mjs';
import { loadOrCreateKeys } from './src/keys.mjs';

process.umask(0o077);

const [file] = process.argv.slice(2);
if (!file) {
  console.error('error: missing FILE: write the path of the database that this program creates');
  process.exit(1);
}
// Under another name until it is complete: tests that run may copy it.
const unfinished = `${file}.new`;
rmSync(unfinished, { force: true });
const database = await openDatabase(unfinished);
await loadOrCreateKeys(database);
await findOrCreateDemoUser(database);
// The last connection moves the write-ahead log into the file.
database.close();
renameSync(unfinished, file);
