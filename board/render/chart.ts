/** The chart of a tier: when each member was asked for, in its power state, and at its gate, as inline SVG. */
import { durationText } from '../page/duration-text';
import type { ChartRow, ChartSpan, TierChart } from '../page/page';
import { markup, type Html } from './html';

/** Widths in units of the drawing: of all of it, of the names, and right of the bars. */
const WIDTH = 1000;
const NAMES = 170;
const MARGIN = 14;
const PLOT = WIDTH - NAMES - MARGIN;
/** Height above the first row, and below the last one for the text of a target. */
const TOP = 18;
const DUE = 14;
/** Rows of one drawing: a page of paper breaks between two drawings. */
const MOST_ROWS = 60;

/** Height of a row and size of its text, by the number of rows of the page. Without text the pointer tells the name. */
export interface RowSize {
  height: number;
  text: number;
}

/** How large rows are if the page has this many. */
export function rowSize(rows: number): RowSize {
  if (rows <= 60) return { height: 17, text: 11 };
  if (rows <= 400) return { height: 12, text: 9 };
  return { height: 6, text: 0 };
}

type X = (at: number) => number;

/** The drawings of one tier. */
export function tierChart(chart: TierChart, size: RowSize): Html {
  const { rows } = chart;
  const drawings: Html[] = [];
  // Of equal height, so that paper is used well.
  const perDrawing = Math.ceil(rows.length / Math.ceil(rows.length / MOST_ROWS));
  for (let from = 0; from < rows.length; from += perDrawing)
    drawings.push(drawing(chart, rows.slice(from, from + perDrawing), size));
  return markup`${drawings}`;
}

function drawing(chart: TierChart, rows: readonly ChartRow[], size: RowSize): Html {
  const { from, to, delays, due } = chart;
  const span = Math.max(1, to - from);
  const x: X = (at) => NAMES + Math.min(1, Math.max(0, (at - from) / span)) * PLOT;
  const bottom = TOP + rows.length * size.height;
  const isDue = due !== undefined && due <= to;
  const height = bottom + (isDue ? DUE : 3);
  const lines = rows.map((row, index) => rowLine(row, TOP + index * size.height, size, x));
  return markup`<svg${size.text === 0 && markup` class="dense"`} viewBox="0 0 ${WIDTH} ${number(height)}" role="img" aria-label="${labelOf(rows)}">
    ${axis(span, bottom, (offset) => x(from + offset))}${delays.map((delay) => delayBox(delay, bottom, x))}${lines}${
      isDue && dueLine(due, due - from, bottom, x)
    }
  </svg>`;
}

function labelOf(rows: readonly ChartRow[]): string {
  const [first] = rows;
  const last = rows.at(-1);
  return first === last
    ? `times of ${first?.name ?? 'no member'}`
    : `times of ${first?.name} to ${last?.name}`;
}

function axis(span: number, bottom: number, x: X): Html {
  const ticks = ticksOf(span).map((offset) => {
    const at = number(x(offset));
    return markup`<path class="axis" d="M${at} ${TOP - 4}V${number(bottom)}" /><text
        x="${at}"
        y="${TOP - 7}"
        text-anchor="middle"
        >${tickText(offset)}</text
      >`;
  });
  return markup`${ticks}`;
}

function delayBox({ from, to }: TierChart['delays'][number], bottom: number, x: X): Html {
  return markup`<rect
    class="delay"
    x="${number(x(from))}"
    y="${TOP}"
    width="${number(x(to) - x(from))}"
    height="${number(bottom - TOP)}"
    ><title>delay of ${durationText(to - from)}</title></rect
  >`;
}

function dueLine(due: number, offset: number, bottom: number, x: X): Html {
  const at = x(due);
  // Right of the line there may be no room.
  const isRight = at < WIDTH - 130;
  return markup`<path class="rto" d="M${number(at)} ${TOP - 4}V${number(bottom + DUE)}" /><text
      class="rto-t"
      x="${number(isRight ? at + 4 : at - 4)}"
      y="${number(bottom + DUE - 2)}"
      text-anchor="${isRight ? 'start' : 'end'}"
      >target ${durationText(offset)}</text
    >`;
}

function rowLine(row: ChartRow, top: number, { height, text }: RowSize, x: X): Html {
  const { name, mark, spans, failures, note } = row;
  const middle = top + height / 2;
  const pad = height > 8 ? height * 0.2 : 1;
  const bars = spans.map((span) => bar(span, row, { top: top + pad, height: height - pad * 2 }, x));
  const crosses = failures.map(
    ({ at, text: why }) =>
      markup`<path class="fail" d="${cross(x(at), middle, Math.min(4, height * 0.3))}"
        ><title>${why}</title></path
      >`,
  );
  const label =
    text > 0 &&
    markup`<text class="name" x="${NAMES - 8}" y="${number(middle + text * 0.35)}" text-anchor="end" data-size="${text}"
      >${short(name)}</text
    >`;
  return markup`<g class="${mark}"
    ><title>${titleOf(row)}</title
    ><path class="base" d="M${NAMES} ${number(top + height)}H${WIDTH - MARGIN}" />${label}${bars}${crosses}${endMark(
      row,
      x,
      middle,
      Math.min(5, height * 0.36),
    )}${note !== undefined && text > 0 && noteText(note, row, middle + text * 0.35, text, x)}</g
  >`;
}

/** Hatched until the power state, solid from there until the gate: told apart without colour. */
function bar(
  { from, powered, to, end }: ChartSpan,
  { gate }: ChartRow,
  at: { top: number; height: number },
  x: X,
): Html {
  if (end !== 'Done') return box(`bar-p ${end}`, x(from), x(to), at);
  // Without a gate the end is the power state, seen a little later.
  const until = gate === undefined ? to : (powered ?? to);
  return markup`${box('bar-p', x(from), x(until), at)}${gate !== undefined && powered !== undefined && box('bar-r', x(powered), x(to), at)}`;
}

function box(kind: string, from: number, to: number, { top, height }: { top: number; height: number }): Html {
  return markup`<rect
    class="${kind}"
    x="${number(from)}"
    y="${number(top)}"
    width="${number(Math.max(1, to - from))}"
    height="${number(height)}"
  />`;
}

/** A member that did not meet its gate ends with a diamond; one that was in its state before the run has a dot at its start. */
function endMark({ mark, spans }: ChartRow, x: X, y: number, r: number): Html | '' {
  const last = spans.at(-1);
  if (mark === 'Done')
    return last
      ? ''
      : markup`<circle class="end" cx="${NAMES + r}" cy="${number(y)}" r="${number(r * 0.8)}" />`;
  if (mark === 'Working') return '';
  const cx = last ? x(last.to) : NAMES + r;
  return markup`<path
    class="end"
    d="M${number(cx)} ${number(y - r)}l${number(r)} ${number(r)}-${number(r)} ${number(r)}-${number(r)}-${number(r)}z"
  />`;
}

/** Letters of a note that are worth showing: the pointer tells all of it. */
const LEAST_NOTE = 10;

/** Right of the last bar, or left of the first one where there is no room. */
function noteText(note: string, { spans }: ChartRow, y: number, size: number, x: X): Html | false {
  const width = size * 0.56;
  const right = x(spans.at(-1)?.to ?? -Infinity) + 12;
  const left = x(spans[0]?.from ?? -Infinity) - 12;
  const fits = Math.floor((WIDTH - right) / width);
  const fitsLeft = Math.floor((left - NAMES) / width);
  const isRight = fits >= Math.min(note.length, 24) || fits >= fitsLeft;
  if (Math.max(fits, fitsLeft) < LEAST_NOTE) return false;
  return markup`<text
    x="${number(isRight ? right : left)}"
    y="${number(y)}"
    text-anchor="${isRight ? 'start' : 'end'}"
    data-size="${size}"
    >${cut(note, isRight ? fits : fitsLeft)}</text
  >`;
}

function titleOf({ name, spans, failures, note, gate }: ChartRow): string {
  const last = spans.at(-1);
  const parts = [
    note,
    last?.powered !== undefined && gate !== undefined
      ? `in its power state after ${durationText(last.powered - last.from)}`
      : undefined,
    last?.end === 'Done' ? `done after ${durationText(last.to - last.from)}` : undefined,
    failures.length > 0 ? `${failures.length} failed attempt${failures.length === 1 ? '' : 's'}` : undefined,
  ];
  return `${name}: ${parts.filter((part) => part !== undefined).join(', ')}`;
}

function cross(x: number, y: number, r: number): string {
  const [left, right, up, down] = [x - r, x + r, y - r, y + r].map(number) as [
    string,
    string,
    string,
    string,
  ];
  return `M${left} ${up}L${right} ${down}M${right} ${up}L${left} ${down}`;
}

/** Seconds between two marks of the axis. */
const STEPS = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400,
];

/** At most ten round offsets from the start. */
function ticksOf(span: number): number[] {
  const step =
    (STEPS.find((seconds) => span / (seconds * 1000) <= 10) ?? Math.ceil(span / 864e6) * 86_400) * 1000;
  return Array.from({ length: Math.floor(span / step) + 1 }, (_, index) => index * step);
}

function tickText(offset: number): string {
  const seconds = offset / 1000;
  if (seconds === 0) return '0';
  if (seconds % 86_400 === 0) return `${seconds / 86_400} d`;
  if (seconds % 3_600 === 0) return `${seconds / 3_600} h`;
  if (seconds % 60 === 0) return `${seconds / 60} min`;
  return seconds > 60
    ? `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
    : `${seconds} s`;
}

function short(name: string): string {
  return name.length <= 28 ? name : `${name.slice(0, 13)}…${name.slice(-13)}`;
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, Math.max(0, length - 1))}…`;
}

function number(value: number): string {
  return String(Math.round(value * 10) / 10);
}

/** What the signs of the charts mean. */
export function chartKey(): Html {
  const sign = (drawing: Html, text: string): Html =>
    markup`<span><svg viewBox="0 0 36 12" class="Done" aria-hidden="true">${drawing}</svg>${text}</span>`;
  return markup`<p class="key">
    ${[
      sign(
        markup`<rect class="bar-p" x="1" y="2" width="34" height="8" />`,
        'from the request to the power state',
      ),
      sign(
        markup`<rect class="bar-r" x="1" y="2" width="34" height="8" />`,
        'from there until its gate is met',
      ),
      sign(markup`<path class="fail" d="M14 2l8 8M22 2l-8 8" />`, 'failed attempt'),
      sign(markup`<g class="Parked"><path class="end" d="M18 1l5 5-5 5-5-5z" /></g>`, 'gate not met'),
      sign(markup`<circle class="end" cx="18" cy="6" r="4" />`, 'in its state before'),
      sign(markup`<rect class="delay" x="1" y="0" width="34" height="12" />`, 'delay'),
    ]}
  </p>`;
}
