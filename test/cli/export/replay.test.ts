/** Files that `vmgroup replay` cannot read as histories. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { explain } from '../../../cli/errors';
import { replayFiles } from '../../../cli/export/replay';

const dir = mkdtempSync(path.join(os.tmpdir(), 'vmgroup-replay-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

test.each([
  [
    'absent.json',
    undefined,
    /^error: .*absent\.json does not exist\n {2}→ create one: vmgroup export RUN -o FILE\n$/,
  ],
  ['text.json', 'no JSON', /^error: failed to read .*text\.json as JSON: .*not valid JSON\n$/],
  [
    'other.json',
    '{}',
    /^error: .*other\.json is not a history: it has no list of events\n {2}→ create one: /,
  ],
])('%s', async (name, content, message) => {
  const file = path.join(dir, name);
  if (content !== undefined) writeFileSync(file, content);
  const failure = await replayFiles([file]).then(
    () => undefined,
    (error: unknown) => explain(error),
  );
  expect(failure).toMatch(message);
});
