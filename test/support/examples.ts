/** The folders of examples. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';

/** Where they are. */
export const EXAMPLES = path.join(__dirname, '../../examples');

/**
 * Those that run on any platform. One with a Platform has its VMs there, and is run on such a platform by the test of its page in
 * `test/docs`; one without manifests is no example of groups.
 */
export function exampleFolders(): string[] {
  return readdirSync(EXAMPLES)
    .filter((name) => statSync(path.join(EXAMPLES, name)).isDirectory())
    .filter((name) => {
      const files = readdirSync(path.join(EXAMPLES, name)).filter((file) => /\.(ya?ml|json)$/.test(file));
      const texts = files.map((file) => readFileSync(path.join(EXAMPLES, name, file), 'utf8'));
      return files.length > 0 && !texts.some((text) => /^kind: Platform$/m.test(text));
    })
    .sort();
}
