/** Shows groups while they change: redrawn on a terminal, a line an event into a pipe, a JSON object a line for programs. */
import { stripVTControlCharacters } from 'node:util';
import logUpdate from 'log-update';
import type { BridgeEvent, GroupView } from '../../bridge';
import { asTrees, groupLines, groupName } from '../groups/group-text';
import type { Detail } from '../groups/group-text';
import { clock } from '../output/output';
import { paintFor } from '../output/colours';
import type { Paint } from '../output/colours';

/** Something to tell beside what happens to groups. */
export type Notice =
  | { reason: 'Notice'; type: 'Normal' | 'Warning'; message: string }
  | {
      reason: 'Started';
      type: 'Normal';
      message: string;
      temporal: string;
      ui?: string;
      simulator?: string;
      data: string;
    }
  | { reason: 'Stopped'; type: 'Normal' | 'Warning'; message: string; exitCode: number };

/** Where groups are shown. */
export interface Display {
  /** A group is, or has become, this. */
  show(view: GroupView): void;
  /** A group is gone. */
  forget(group: { namespace: string; name: string }): void;
  /** Something happened to a group or its surroundings. */
  happened(event: BridgeEvent): void;
  /** Something else. */
  tell(notice: Notice): void;
  /** Leaves the last picture standing; nothing is shown any more but what is told. */
  close(): void;
}

/** Times a second that a terminal is redrawn: elapsed times count on. */
const REDRAWS = 4;

/** The display for standard output. */
export function display(format: 'table' | 'json'): Display {
  if (format === 'json') return jsonLines();
  return process.stdout.isTTY && process.env['TERM'] !== 'dumb' ? redrawn() : plainLines();
}

/** Fixes the place of the time among the keys. */
const TIME_FIRST = { time: '' };

function jsonLines(): Display {
  const put = (time: number, event: object) =>
    process.stdout.write(
      JSON.stringify({ ...TIME_FIRST, ...event, time: new Date(time).toISOString() }) + '\n',
    );
  return {
    show: () => undefined,
    forget: () => undefined,
    happened: (event) => put(event.time, event),
    tell: (notice) => put(Date.now(), notice),
    close: () => undefined,
  };
}

function plainLines(): Display {
  const put = (time: number, text: string) => process.stdout.write(`${clock(time)} ${text}\n`);
  return {
    show: () => undefined,
    forget: () => undefined,
    happened: (event) => put(event.time, eventText(event)),
    tell: (notice) => put(Date.now(), noticeText(notice)),
    close: () => undefined,
  };
}

function redrawn(): Display {
  const paint = paintFor(process.stdout);
  const views = new Map<string, GroupView>();
  let footer: string[] = [];
  let shape = '';
  const draw = () => {
    const lines = picture([...views.values()], footer, paint);
    const width = process.stdout.columns || 80;
    // log-update 7 leaves remains of the frame before where the number of lines on the screen changes.
    const heights = lines.map((line) => Math.ceil(stripVTControlCharacters(line).length / width) || 1);
    const next = `${width} ${heights.reduce((sum, height) => sum + height, 0)}`;
    if (next !== shape) logUpdate.clear();
    shape = next;
    logUpdate(lines.join('\n'));
  };
  const above = (text: string, isWarning: boolean) => {
    logUpdate.clear();
    process.stdout.write(`${isWarning ? paint.warn(text) : text}\n`);
    draw();
  };
  const timer = setInterval(draw, 1000 / REDRAWS);
  let closed = false;
  return {
    show: (view) => void views.set(groupName(view), view),
    forget: ({ namespace, name }) => void views.delete(`${namespace}/${name}`),
    // The picture shows what happens; what went wrong outside it must not pass by.
    happened: (event) => {
      if (!closed && event.type === 'Warning' && !SHOWN_IN_PICTURE.has(event.reason))
        above(eventText(event), true);
    },
    tell: (notice) => {
      if (notice.reason === 'Started') footer = startedLines(notice, paint);
      else if (closed) process.stdout.write(`${noticeText(notice)}\n`);
      else above(noticeText(notice), notice.type === 'Warning');
    },
    close: () => {
      closed = true;
      clearInterval(timer);
      footer = [];
      draw();
      logUpdate.done();
    },
  };
}

const SHOWN_IN_PICTURE = new Set<string>(['MemberParked', 'RunEnded', 'AttemptFailed']);

function eventText({ object, reason, message }: BridgeEvent): string {
  const name = object.namespace === '' ? object.name : `${object.namespace}/${object.name}`;
  return message.startsWith(name) ? `${reason}: ${message}` : `${name}  ${reason}: ${message}`;
}

function noticeText(notice: Notice): string {
  if (notice.reason !== 'Started') return notice.message;
  return `${notice.message}: Temporal at ${notice.temporal}${notice.ui ? `, UI ${notice.ui}` : ''}`;
}

function startedLines(notice: Notice & { reason: 'Started' }, paint: Paint): string[] {
  // A link that is broken over two lines cannot be clicked: without the query it still leads there.
  const link =
    (notice.ui?.length ?? 0) + 14 > (process.stdout.columns || 80)
      ? notice.ui?.replace(/\?.*/, '')
      : notice.ui;
  const ui = link === undefined ? [] : [`${paint.dim('Temporal UI')}  ${paint.info(link)}`];
  return [...ui, paint.dim('Ctrl-C stops; the next vmgroup up goes on where this one was')];
}

/** All groups, in as much detail as the terminal has room for. */
function picture(views: GroupView[], footer: string[], paint: Paint): string[] {
  const now = Date.now();
  const width = process.stdout.columns || 80;
  const room = (process.stdout.rows || 24) - footer.length - 3;
  const trees = asTrees(views);
  const draw = (detail: Detail) =>
    trees.flatMap(({ view, depth }) => {
      const indent = '  '.repeat(depth);
      const lines = groupLines(view, {
        now,
        paint,
        detail,
        width: width - indent.length,
        nested: depth > 0,
      });
      return [...lines.map((line) => indent + line), ...(detail === 'full' ? [''] : [])];
    });
  let lines = draw('full');
  if (lines.length > room) lines = [...draw('open'), ''];
  if (lines.length > room) {
    const hidden = paint.dim(`… ${lines.length - room} more lines: vmgroup get groups`);
    lines = [...lines.slice(0, room), hidden, ''];
  }
  return [...lines, ...footer];
}
