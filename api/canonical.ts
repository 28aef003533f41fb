/** A value as text, the same whatever the order of keys; for comparisons and hashes, not to be read back. */
export function canonicalText(value: unknown): string {
  return JSON.stringify(sorted(value));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  // Pairs rather than an object, in which keys that look like numbers go first.
  return Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, item]) => [key, sorted(item)]);
}

/** A value as canonical JSON (RFC 8785), to be hashed, signed and read back. Throws TypeError for what JSON has no form for. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return scalarJson(value);
  const pairs = Object.entries(value)
    .filter(([, item]) => item !== undefined)
    // By UTF-16 code units, as the RFC has it.
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`);
  return `{${pairs.join(',')}}`;
}

function scalarJson(value: unknown): string {
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined || (typeof value === 'number' && !Number.isFinite(value)))
    throw new TypeError(`${String(value)} has no form in JSON`);
  return text;
}
