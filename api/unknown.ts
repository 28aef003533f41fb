/** Values of unknown type: parsed JSON, and what was thrown. */

/** Whether a value is a mapping, and not a list. */
export function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The fields of a mapping; none of any other value. */
export function fieldsOf(value: unknown): Record<string, unknown> {
  return isMapping(value) ? value : {};
}

/** What was thrown, or given as the reason of an abort. */
export function asError(value: unknown): Error {
  return value instanceof Error ? value : new Error(String(value));
}
