/** The versions of Node that run this program. Loads nothing: even an old Node must reach the message. */

/** First minor version of each major one that can load ES modules with `require`. Major versions after the last have it. */
const FIRST_MINOR = new Map([
  [20, 19],
  [22, 12],
]);
const NEWEST_MAJOR = 22;

/** What to install in the place of a version of Node such as `20.10.0`; undefined if it will do. */
export function nodeCure(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const first = FIRST_MINOR.get(major);
  const isSupported = major > NEWEST_MAJOR || (first !== undefined && minor >= first);
  return isSupported ? undefined : 'install Node.js 20.19, 22.12 or newer';
}
