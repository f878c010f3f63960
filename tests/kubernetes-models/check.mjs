// Checks resources against the schemas of @kubernetes-models: an array of them on standard input, an array of the errors of
// each (a list of strings, or null without a schema) on standard output.

import { existsSync } from 'node:fs';

/** By its file: one of the packages does not export its schemas. */
function inPackage(name, schema) {
  return new URL(`_schemas/${schema}.js`, import.meta.resolve(`@kubernetes-models/${name}`)).href;
}

/** The module that contains the schema of a kind. */
function schemaOf({ apiVersion = '', kind = '' }) {
  const [group, version] = apiVersion.split('/');
  if (!/^[a-z0-9]+$/.test(version ?? '') || !/^[A-Za-z]+$/.test(kind)) return undefined;
  const capital = (word) => word[0].toUpperCase() + word.slice(1);
  if (group === 'gateway.networking.k8s.io') {
    return inPackage('gateway-api', `IoK8sSigsGatewayApiApis${capital(version)}${kind}`);
  }
  if (/^[a-z.]+\.istio\.io$/.test(group)) {
    return inPackage('istio', `${group.split('.').map(capital).join('')}${capital(version)}${kind}`);
  }
  return undefined;
}

// Istio accepts and forwards any value here.
const OPEN = /\/(pluginConfig|patch\/value)$/;

/**
 * The value, with a record of the fields that were read. The compiled schemas do not reject unknown fields, but they do
 * not read them either.
 */
function watched(value, path, unknown) {
  if (typeof value !== 'object' || value === null || OPEN.test(path)) return value;
  const read = new Set();
  const children = new Map(Object.entries(value).map(([key, child]) => [key, watched(child, `${path}/${key}`, unknown)]));
  if (!Array.isArray(value)) {
    unknown.push(() => [...children.keys()].filter((key) => !read.has(key)).map((key) => `${path}/${key} is unknown`));
  }
  return new Proxy(value, {
    get(target, key) {
      read.add(key);
      return children.has(key) ? children.get(key) : target[key];
    },
  });
}

async function faults(resource) {
  const name = schemaOf(resource);
  const schema = name && existsSync(new URL(name)) && (await import(name));
  if (!schema) return null;
  const unknown = [];
  schema.validate(watched(resource, '', unknown));
  const errors = (schema.validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
  return [...errors, ...unknown.flatMap((fields) => fields())];
}

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const results = [];
for (const resource of JSON.parse(Buffer.concat(chunks).toString('utf8'))) results.push(await faults(resource));
process.stdout.write(JSON.stringify(results));
