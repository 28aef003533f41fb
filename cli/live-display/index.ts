/** What commands show while groups change. */
import { jsonLines, plainLines, type Display } from './display';
import { RedrawnPicture } from './redrawn-picture';

export type { Display, Notice } from './display';

/** The display for standard output. */
export function openDisplay(format: 'table' | 'json'): Display {
  if (format === 'json') return jsonLines();
  return process.stdout.isTTY && process.env['TERM'] !== 'dumb' ? new RedrawnPicture() : plainLines();
}
