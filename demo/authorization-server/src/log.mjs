// One line per event on standard error. Callers pass facts, never tokens, codes, passwords or what a user typed.
export function log(level, event, fields = {}) {
  const details = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  console.error([new Date().toISOString(), level.toUpperCase(), event, ...details].join(' '));
}
