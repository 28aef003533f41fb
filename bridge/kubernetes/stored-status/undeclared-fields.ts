/**
 * The fields of `status` that the installed CustomResourceDefinition does not have, of all groups (STORE-5). The definition may be replaced by a
 * newer one, so each is tried again after some minutes, with the next status that is written.
 */
import { KubernetesError } from '../../../kubernetes';

/** Milliseconds in which a field is not tried again. */
const REMEMBERED = 600_000;

/** What refused writes have told. Times are milliseconds of the clock of running time. */
export class UndeclaredFields {
  readonly #learnedAt = new Map<string, number>();

  /** Whether to leave a field out. */
  has(field: string): boolean {
    return performance.now() - (this.#learnedAt.get(field) ?? -Infinity) < REMEMBERED;
  }

  /** Learns from a write that failed. Returns whether it was sent with such a field. */
  learn(error: unknown, sent: Readonly<Record<string, unknown>>): boolean {
    const fields = undeclaredIn(error).filter((field) => Object.hasOwn(sent, field));
    for (const field of fields) this.#learnedAt.set(field, performance.now());
    return fields.length > 0;
  }
}

/** The answer is a bare 500 with neither reason nor details, so only the message names the fields. */
function undeclaredIn(error: unknown): string[] {
  if (!(error instanceof KubernetesError)) return [];
  const found = error.message.matchAll(/\.status\.(\w+)\b[^\n]*?: field not declared in schema/g);
  return [...found].flatMap(([, field]) => (field === undefined ? [] : [field]));
}
