/** "Did you mean". */
import { distance } from 'fastest-levenshtein';

/** Longer texts are no slip of the finger, and costly to compare. */
const LONGEST = 100;

/** The one of `known` that the writer of `text` most likely meant, if any. */
export function closest(text: string, known: readonly string[]): string | undefined {
  if (text === '' || text.length > LONGEST) return undefined;
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

/** Letters in the wrong order: two changes, and a common slip. */
function isAnagram(lower: string, name: string): boolean {
  const letters = (text: string): string => [...text].sort().join('');
  return letters(lower) === letters(name.toLowerCase());
}
