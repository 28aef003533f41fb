/** How a question on a terminal ends. */
import { PassThrough } from 'node:stream';
import { answerOf } from '../../../cli/operator-commands/question';

test.each([
  ['an answer', 'yes\r', 'yes'],
  ['Enter', '\r', ''],
  ['Ctrl-D', '\u0004', ''],
  ['Ctrl-C', '\u0003', undefined],
  ['Ctrl-C behind half an answer', 'ye\u0003', undefined],
])('%s', async (_what, keys, answer) => {
  const input = new PassThrough();
  const output = Object.assign(new PassThrough(), { isTTY: true });
  output.resume();
  const answered = answerOf('Retry? [y/N] ', { input, output });
  input.write(keys);
  expect(await answered).toBe(answer);
});
