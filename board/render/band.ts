/** The band on top of a tree: where it stands in one sentence, its clocks, its counts. */
import { durationText } from '../page/duration-text';
import { MARKS, totalOf } from '../page/counts';
import type { Counts, Forecast, Target, TreeItem } from '../page/page';
import { markup, type Html } from './html';
import { MARK_WORD, shape } from './marks';
import { clock, moment, roughMoment } from './time';

/** The band of one tree. */
export function band(id: string, tree: TreeItem): Html {
  const { name, mark, sentence, isTest, counts } = tree;
  return markup`<header class="band ${mark}" id="${id}">
    <div>
      <h1>${shape(mark)}<span>${name}</span>${isTest && markup`<span class="tag">rehearsal</span>`}</h1>
      <p class="sentence">${sentence}</p>
    </div>
    <dl class="clocks">${clocks(tree)}</dl>
    ${totalOf(counts) > 0 && meter(counts)}
  </header>`;
}

function clocks({ startedAt, endedAt, target, forecast }: TreeItem): Html {
  if (startedAt === undefined) return markup``;
  const time =
    endedAt === undefined
      ? markup`<div>
          <dt>Elapsed</dt>
          <dd>${clock('up', startedAt)}<small>since ${moment(startedAt)}</small></dd>
        </div>`
      : markup`<div>
          <dt>Took</dt>
          <dd>
            ${durationText(endedAt - startedAt)}<small>${moment(startedAt)} to ${moment(endedAt)}</small>
          </dd>
        </div>`;
  return markup`${time}${target && targetClock(target, startedAt, endedAt)}${
    endedAt === undefined && forecast && forecastClock(forecast)
  }`;
}

function targetClock(target: Target, startedAt: number, endedAt: number | undefined): Html {
  const { rto, took, verdict } = target;
  const left =
    verdict === 'Open' && endedAt === undefined
      ? markup`${clock('down', startedAt + rto)} left`
      : took === undefined
        ? 'not everything is up'
        : `up after ${durationText(took)}`;
  return markup`<div class="${verdict}">
    <dt>Target (RTO)</dt>
    <dd>${durationText(rto)}<small>${targetMark(target)} ${left}</small></dd>
  </div>`;
}

/** Whether a target is met, as a shape and a word. */
export function targetMark({ verdict }: Target): Html {
  if (verdict === 'Met') return markup`${shape('Done')} met,`;
  if (verdict === 'Missed') return markup`${shape('Parked')} missed,`;
  return markup`${shape('Working')}`;
}

function forecastClock({ median, p90, runs, why }: Forecast): Html {
  if (median === undefined)
    return markup`<div>
      <dt>Expected end</dt>
      <dd>–<small>${why ?? 'no past runs'}</small></dd>
    </div>`;
  const past = `from ${runs} past run${runs === 1 ? '' : 's'}`;
  const late = p90 !== undefined && p90 > median ? markup`, 9 of 10 by ${roughMoment(p90)}` : '';
  return markup`<div>
    <dt>Expected end</dt>
    <dd>${roughMoment(median)}<small>${past}${late}</small></dd>
  </div>`;
}

/** A bar with a segment for each mark, and the counts in words. */
function meter(counts: Counts): Html {
  const total = totalOf(counts);
  let from = 0;
  const segments = MARKS.map((mark) => {
    const width = (counts[mark] / total) * 100;
    const segment =
      width > 0 &&
      markup`<svg class="${mark}" x="${round(from)}%" width="${round(width)}%" height="100%">
        <rect class="seg ${mark}" width="100%" height="100%" />
      </svg>`;
    from += width;
    return segment;
  });
  const legend = MARKS.map(
    (mark) =>
      markup`<li${counts[mark] === 0 && markup` class="none"`}>${shape(mark)}<b>${counts[mark]}</b> ${MARK_WORD[mark]}</li>`,
  );
  const label = MARKS.filter((mark) => counts[mark] > 0).map((mark) => `${counts[mark]} ${MARK_WORD[mark]}`);
  return markup`<div class="meter">
    <svg class="bar" role="img" aria-label="${label.join(', ')}">${segments}</svg>
    <ul class="legend">
      ${legend}
    </ul>
  </div>`;
}

function round(value: number): string {
  return value.toFixed(3);
}
