/** "Did you mean". */
import { distance } from 'fastest-levenshtein';

/** Longer texts are unlikely to be typing errors, and expensive to compare. */
const LONGEST = 100;
/** Of more names, thousands that are missing would take minutes to compare. */
const MOST_NAMES = 500;

/** The item of `known` that `text` is most likely a misspelling of, if any. */
export function closest(text: string, known: readonly string[]): string | undefined {
  if (text === '' || text.length > LONGEST || known.length > MOST_NAMES) return undefined;
  const wanted = text.toLowerCase();
  let best: { name: string; far: number } | undefined;
  for (const name of known) {
    const far = distance(wanted, name.toLowerCase());
    if (!best || far < best.far) best = { name, far };
  }
  if (best && (best.far <= Math.max(1, Math.floor(best.name.length / 3)) || isAnagram(wanted, best.name))) {
    return best.name;
  }
  const endings = known.filter((name) => wanted.length > 1 && name.toLowerCase().endsWith(wanted));
  return endings.length === 1 ? endings[0] : undefined;
}

/** `; did you mean "powerState"?`, or nothing. */
export function didYouMean(text: string, known: readonly string[]): string {
  const name = closest(text, known);
  return name === undefined ? '' : `; did you mean ${JSON.stringify(name)}?`;
}

/** Two letters swapped: two changes, and a common typing error. */
function isAnagram(lower: string, name: string): boolean {
  const letters = (text: string): string => [...text].sort().join('');
  return letters(lower) === letters(name.toLowerCase());
}
