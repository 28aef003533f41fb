/** Paths below folders. */
import { isWithin, withinAny } from '../../../bridge/source/within';

test.each([
  ['/a', '/a', true],
  ['/a', '/a/b/c.yaml', true],
  ['/a/', '/a/b', true],
  ['/', '/a', true],
  ['/a', '/ab', false],
  ['/a/b', '/a', false],
  ['/a/b', '/a/b/../c', false],
  ['a', 'a/b', true],
])('%s holds %s: %s', (folder, path, wanted) => {
  expect(isWithin(folder, path)).toBe(wanted);
  expect(withinAny(['/elsewhere', folder])(path)).toBe(wanted);
});
