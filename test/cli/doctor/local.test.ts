/** The checks of this machine. */
import path from 'node:path';
import { checkDataFolder } from '../../../cli/doctor/local';

const root = path.join(__dirname, '../../..');

test.each(['package.json', 'package.json/below'])(
  'a data folder that would be %s, a file, is a problem',
  (name) => {
    expect(checkDataFolder(path.join(root, name))).toMatchObject({
      result: 'problem',
      message: expect.stringContaining('package.json is not a folder') as string,
    });
  },
);

test('a data folder that is not there yet is none', () => {
  expect(checkDataFolder(path.join(root, 'cli/nowhere/below'))).toMatchObject({ result: 'ok' });
});
