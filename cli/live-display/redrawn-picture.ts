/** A picture of groups that is redrawn in place. */
import { stripVTControlCharacters } from 'node:util';
import logUpdate from 'log-update';
import type { ObjectName } from '../../api';
import type { BridgeEvent, GroupView } from '../../bridge';
import type { PastRun } from '../../insight';
import { groupName } from '../groups';
import { columnsOf, legible, paintFor, printLine, printStyled, type Paint } from '../output';
import { eventText, noticeText, type Display, type Notice, type StartedNotice } from './display';
import { picture, type DrawnGroup, type Size } from './picture';

/** Redraws a second, so that elapsed times count up. */
const REDRAWS = 4;

/** Warnings that the picture shows. Others are written above it. */
const SHOWN_IN_PICTURE = new Set<string>(['MemberParked', 'RunEnded', 'AttemptFailed']);

/** Width of the label before the link to the UI. */
const LINK_INDENT = 14;

/** Draws groups on a terminal. */
export class RedrawnPicture implements Display {
  readonly #paint = paintFor(process.stdout);
  readonly #groups = new Map<string, DrawnGroup>();
  readonly #timer = setInterval(() => this.#draw(), 1000 / REDRAWS);
  #footer: string[] = [];
  #shape = '';
  #isClosed = false;

  show(view: GroupView, past?: readonly PastRun[]): void {
    this.#groups.set(groupName(view), legible({ view, past }));
  }

  forget({ namespace, name }: ObjectName): void {
    this.#groups.delete(`${namespace}/${name}`);
  }

  event(event: BridgeEvent): void {
    if (!this.#isClosed && event.type === 'Warning' && !SHOWN_IN_PICTURE.has(event.reason))
      this.#writeAbove(this.#paint.warn(eventText(legible(event))));
  }

  notice(given: Notice): void {
    const notice = legible(given);
    if (notice.reason === 'Started') this.#footer = startedLines(notice, size(), this.#paint);
    else if (this.#isClosed) printLine(noticeText(notice));
    else this.#writeAbove(notice.type === 'Warning' ? this.#paint.warn(notice.message) : notice.message);
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
    this.#footer = [];
    this.#draw();
    logUpdate.done();
  }

  #draw(): void {
    const { columns, rows } = size();
    const argv = process.argv.slice(2);
    const lines = picture([...this.#groups.values()], this.#footer, { columns, rows }, this.#paint, argv);
    // log-update 7 leaves remains of the frame before if the number of lines on the screen changes.
    const heights = lines.map((line) => Math.ceil(columnsOf(stripVTControlCharacters(line)) / columns) || 1);
    const shape = `${columns} ${heights.reduce((sum, height) => sum + height, 0)}`;
    if (shape !== this.#shape) logUpdate.clear();
    this.#shape = shape;
    logUpdate(lines.join('\n'));
  }

  #writeAbove(text: string): void {
    logUpdate.clear();
    printStyled(`${text}\n`);
    this.#draw();
  }
}

function size(): Size {
  return { columns: process.stdout.columns || 80, rows: process.stdout.rows || 24 };
}

function startedLines({ ui }: StartedNotice, { columns }: Size, paint: Paint): string[] {
  const hint = paint.dim('Ctrl-C stops; the next vmgroup up continues the runs');
  if (ui === undefined) return [hint];
  return [`${paint.dim('Temporal UI')}  ${paint.info(fittingLink(ui, columns))}`, hint];
}

/** A link that wraps cannot be clicked. Without its query it leads to all workflows. */
function fittingLink(link: string, columns: number): string {
  if (link.length + LINK_INDENT <= columns) return link;
  const { origin, pathname } = new URL(link);
  return origin + pathname;
}
