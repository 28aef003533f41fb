/** Which VMs a label selector selects. */
import { own, type LabelSelector } from '../api';

/**
 * All `matchLabels` and all `matchExpressions` hold. As in Kubernetes, `NotIn` and `DoesNotExist` hold where the label is missing, and an
 * empty selector selects everything.
 */
export function selects(selector: LabelSelector, labels: Record<string, string>): boolean {
  for (const key in selector.matchLabels)
    if (own(labels, key) !== own(selector.matchLabels, key)) return false;
  return selector.matchExpressions.every(({ key, operator, values }) => {
    const value = own(labels, key);
    switch (operator) {
      case 'In':
        return value !== undefined && values.includes(value);
      case 'NotIn':
        return value === undefined || !values.includes(value);
      case 'Exists':
        return value !== undefined;
      case 'DoesNotExist':
        return value === undefined;
    }
  });
}

/** The same text for selectors that select the same VMs, in whatever order they are written. */
export function selectorText({ matchLabels, matchExpressions }: LabelSelector): string {
  const expressions = matchExpressions.map(({ key, operator, values }) =>
    JSON.stringify([key, operator, [...values].sort()]),
  );
  return JSON.stringify([Object.entries(matchLabels).sort(byKey), expressions.sort()]);
}

/** A selector as people write it on a command line: `app=web,tier in (a,b)`. */
export function selectorWords({ matchLabels, matchExpressions }: LabelSelector): string {
  const words = [
    ...Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`),
    ...matchExpressions.map(({ key, operator, values }) => {
      switch (operator) {
        case 'In':
          return `${key} in (${values.join(',')})`;
        case 'NotIn':
          return `${key} notin (${values.join(',')})`;
        case 'Exists':
          return key;
        case 'DoesNotExist':
          return `!${key}`;
      }
    }),
  ];
  return words.join(',') || 'any labels';
}

/** Finds the VMs that a selector selects without asking each of them. */
export class LabelIndex {
  readonly #labels: Record<string, string>[] = [];
  readonly #ids: number[] = [];
  readonly #byLabel = new Map<string, number[]>();

  /** Adds a VM under a number; numbers grow. */
  add(id: number, labels: Record<string, string>): void {
    const at = this.#ids.push(id) - 1;
    this.#labels.push(labels);
    for (const label of Object.entries(labels)) {
      const text = JSON.stringify(label);
      const known = this.#byLabel.get(text);
      if (known) known.push(at);
      else this.#byLabel.set(text, [at]);
    }
  }

  /** The numbers of the VMs that are selected, in the order of adding. */
  find(selector: LabelSelector): number[] {
    const found: number[] = [];
    const [first] = Object.entries(selector.matchLabels);
    const candidates = first ? (this.#byLabel.get(JSON.stringify(first)) ?? []) : this.#ids.keys();
    for (const at of candidates) {
      const labels = this.#labels[at];
      const id = this.#ids[at];
      if (labels && id !== undefined && selects(selector, labels)) found.push(id);
    }
    return found;
  }
}

function byKey([one]: [string, string], [other]: [string, string]): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
