// The SQLite database and its tables. Times are seconds since 1970.
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

import { createClient } from '@libsql/client';

const TABLES = [
  `CREATE TABLE IF NOT EXISTS setting (
     name TEXT PRIMARY KEY,
     value TEXT NOT NULL
   ) STRICT`,
  `CREATE TABLE IF NOT EXISTS account (
     sub TEXT PRIMARY KEY,
     username TEXT NOT NULL UNIQUE COLLATE NOCASE,
     password_hash TEXT NOT NULL,
     given_name TEXT NOT NULL,
     family_name TEXT NOT NULL,
     email TEXT NOT NULL
   ) STRICT`,
  `CREATE TABLE IF NOT EXISTS model (
     kind TEXT NOT NULL,
     id TEXT NOT NULL,
     payload TEXT NOT NULL,
     grant_id TEXT,
     uid TEXT,
     user_code TEXT,
     consumed_at INTEGER,
     expires_at INTEGER,
     PRIMARY KEY (kind, id)
   ) STRICT, WITHOUT ROWID`,
  'CREATE INDEX IF NOT EXISTS model_grant ON model (grant_id) WHERE grant_id IS NOT NULL',
  'CREATE INDEX IF NOT EXISTS model_uid ON model (uid) WHERE uid IS NOT NULL',
  'CREATE INDEX IF NOT EXISTS model_expiry ON model (expires_at) WHERE expires_at IS NOT NULL',
];

const CLEAN_UP_EVERY_MS = 60_000;

// Opens the database, creates it if it is missing, and deletes expired rows at intervals.
export async function openDatabase(file) {
  // One connection: pragmas apply to all statements, and statements of one process never wait for each other.
  const database = createClient({ url: pathToFileURL(resolve(file)).href, concurrency: 1, timeout: 5000 });
  await database.execute('PRAGMA journal_mode = WAL');
  await database.execute('PRAGMA synchronous = NORMAL');
  await database.batch(TABLES, 'write');
  await deleteExpired(database);
  setInterval(() => deleteExpired(database).catch(() => {}), CLEAN_UP_EVERY_MS).unref();
  return database;
}

export function epochTime() {
  return Math.floor(Date.now() / 1000);
}

export async function deleteExpired(database) {
  await database.execute({ sql: 'DELETE FROM model WHERE expires_at <= ?', args: [epochTime()] });
}
