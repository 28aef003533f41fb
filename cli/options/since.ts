/** The option `--since`. */
import { InvalidArgumentError, Option } from 'commander';
import { parseDuration } from '../../api/duration';

/** `--since`: a time, milliseconds since the epoch. */
export function sinceOption(description: string): Option {
  return new Option('--since <time>', description).argParser(parseSince);
}

/** `2h` before now, or a time such as `2026-11-23T19:00:00Z`. */
function parseSince(text: string): number {
  const time = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Date.now() - ago(text);
  if (!Number.isFinite(time))
    throw new InvalidArgumentError('write 2h, or a time such as 2026-11-23T19:00:00Z');
  return time;
}

function ago(text: string): number {
  try {
    return Math.abs(parseDuration(text));
  } catch {
    return NaN;
  }
}
