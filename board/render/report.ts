/** What only a report shows: exceptions, comparisons, recovery times, sources. */
import { differenceText, durationText } from '../page/duration-text';
import type { Comparison, ExceptionRow, Page, RecoveryRow, ReportPart } from '../page/page';
import { targetMark } from './band';
import { chartKey } from './chart';
import { markup, type Html } from './html';
import { shape } from './marks';
import { dayMoment } from './time';

/** The key of the charts, and the sections between the trees and who did what. */
export function reportSections({ report }: Page): Html {
  if (!report) return markup``;
  return markup`${chartKey()}${exceptions(report.exceptions)}${comparisons(report.comparisons)}`;
}

/** The sections at the end. */
export function reportEnd({ report }: Page): Html {
  if (!report) return markup``;
  return markup`${recovery(report.recovery)}${sources(report)}`;
}

/** A section with a table. `n` before a heading: its column has numbers. */
function section(title: string, intro: Html | false, heads: readonly string[], rows: readonly Html[]): Html {
  const head = heads.map((text) =>
    text.startsWith('n ') ? markup`<th class="n">${text.slice(2)}</th>` : markup`<th>${text}</th>`,
  );
  return markup`<section class="card long">
    <h2>${title}</h2>
    ${intro}
    ${
      rows.length > 0 &&
      markup`<table>
        <thead>
          <tr>
            ${head}
          </tr>
        </thead>
        <tbody>
          ${rows}
        </tbody>
      </table>`
    }
  </section>`;
}

function exceptions(rows: readonly ExceptionRow[]): Html {
  if (rows.length === 0)
    return section(
      'Exceptions',
      markup`<p>${shape('Done')} None: nothing was parked, skipped, overridden or retried.</p>`,
      [],
      [],
    );
  return section(
    `Exceptions (${rows.length})`,
    false,
    ['member', 'group', 'what', 'why'],
    rows.map(
      ({ group, member, mark, what, message }) =>
        markup`<tr>
          <td>${shape(mark)}${member ?? 'the run'}</td>
          <td>${group}</td>
          <td>${what}</td>
          <td>${message}</td>
        </tr>`,
    ),
  );
}

function comparisons(all: readonly Comparison[]): Html {
  if (all.length > 0) return markup`${all.map(oneComparison)}`;
  return section(
    'Compared with earlier runs',
    markup`<p>No earlier run is known to compare with.</p>`,
    [],
    [],
  );
}

function oneComparison({
  with: other,
  runId,
  startedAt,
  outcome,
  took,
  difference,
  movers,
  added,
  removed,
}: Comparison): Html {
  const then =
    took === undefined ? 'not every gate was met' : `every gate was met after ${durationText(took)}`;
  const now = difference === undefined ? '' : ` This one took ${longerText(difference)}.`;
  const intro = markup`<p>${dayMoment(startedAt)}: ${outcome}, ${then}.${now} <small>run ${runId}</small></p>
    ${namesLine('Only in this one', added)}${namesLine('Only in that one', removed)}`;
  const rows = movers.map(
    ({ name, took: at, before }) =>
      markup`<tr>
        <td>${name}</td>
        <td class="n">${durationText(before)}</td>
        <td class="n">${durationText(at)}</td>
        <td class="n">${differenceText(at - before)}</td>
      </tr>`,
  );
  return section(
    `Compared with ${other}`,
    intro,
    ['largest differences', 'n then', 'n now', 'n difference'],
    rows,
  );
}

/** Differences that are shown as none, milliseconds. */
const AS_LONG = 50;

function longerText(difference: number): string {
  if (Math.abs(difference) < AS_LONG) return 'as long';
  return `${durationText(Math.abs(difference))} ${difference > 0 ? 'longer' : 'less'}`;
}

/** Names that one line has. */
const MOST_NAMES = 20;

function namesLine(text: string, names: readonly string[]): Html | false {
  if (names.length === 0) return false;
  const more = names.length - MOST_NAMES;
  return markup`<p><small>${text}: ${names.slice(0, MOST_NAMES).join(', ')}${more > 0 && ` and ${more} more`}</small></p>`;
}

/** Columns that not every table needs. */
type Columns = Record<'group' | 'target' | 'lastRun' | 'lastTest', boolean>;

function recovery(rows: readonly RecoveryRow[]): Html {
  if (rows.length === 0) return markup``;
  const has = (of: 'target' | 'lastRun' | 'lastTest'): boolean => rows.some((row) => row[of] !== undefined);
  const group = new Set(rows.map((row) => row.group)).size > 1;
  const columns: Columns = {
    group,
    target: has('target'),
    lastRun: has('lastRun'),
    lastTest: has('lastTest'),
  };
  return section(
    'Recovery of each VM',
    markup`<p class="muted">Times from the start. A VM counts as recovered once its gate is met, not when it is powered on.</p>`,
    [
      'VM',
      ...(columns.group ? ['group'] : []),
      ...['n tier', 'state', 'gate', 'n asked for', 'n power state', 'n gate met'],
      ...(columns.target ? ['target'] : []),
      'n failures',
      ...(columns.lastRun ? ['n last run'] : []),
      ...(columns.lastTest ? ['n last rehearsal'] : []),
    ],
    rows.map((row) => recoveryRow(row, columns)),
  );
}

function recoveryRow(row: RecoveryRow, columns: Columns): Html {
  const { mark, name, group, tier, word, gate, asked, powered, reached, failures, target } = row;
  return markup`<tr>
    <td>${shape(mark)}${name}</td>
    ${columns.group && markup`<td>${group}</td>`}
    <td class="n">${tier + 1}</td>
    <td>${word}</td>
    <td>${gate}</td>
    ${[asked, powered, reached].map(timeCell)}
    ${columns.target && markup`<td class="g">${target && markup`${targetMark(target)} ${durationText(target.rto)}`}</td>`}
    <td class="n">${failures}</td>
    ${columns.lastRun && timeCell(row.lastRun)}${columns.lastTest && timeCell(row.lastTest)}
  </tr>`;
}

function timeCell(time: number | undefined): Html {
  return markup`<td class="n">${time === undefined ? '–' : durationText(time)}</td>`;
}

function sources({ sources: all, gaps }: ReportPart): Html {
  return section(
    'Sources',
    gaps.length > 0 && markup`${gaps.map((gap) => markup`<p class="warn">${shape('Parked')} ${gap}</p>`)}`,
    ['group', 'run', 'read from'],
    all.map(
      ({ group, runId, from }) =>
        markup`<tr>
          <td>${group}</td>
          <td>${runId}</td>
          <td>${from}</td>
        </tr>`,
    ),
  );
}
