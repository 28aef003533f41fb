/** The tree of groups: headings, tiers, members. How much of a member is shown depends on how many there are. */
import { durationText } from '../page/duration-text';
import type { GroupItem, MemberItem, Page, TierItem, TreeItem } from '../page/page';
import { band, targetMark } from './band';
import { rowSize, tierChart, type RowSize } from './chart';
import { markup, type Html } from './html';
import { MARK_WORD, shape } from './marks';
import type { PartCollector } from './parts';
import { clock, roughMoment } from './time';

/** How members are drawn: a row with all that is known, a name with its mark, or the mark alone. */
type Density = 'rows' | 'chips' | 'cells';

/** How trees are drawn, and the parts that they are drawn in. */
interface Drawing {
  density: Density;
  /** Of charts. */
  rows: RowSize;
  parts: PartCollector;
}

/** VMs on a page up to which they get rows, and chips. */
const MOST_ROWS = 40;
const MOST_CHIPS = 400;
/** Members of a tier that are explained below it if they have no rows. */
const MOST_NOTES = 4;

/** All trees of a page. */
export function trees(page: Page, parts: PartCollector): Html {
  const members = page.trees
    .flatMap(({ groups }) => groups.flatMap(({ tiers }) => tiers))
    .reduce((sum, tier) => sum + tier.members.length, 0);
  const density: Density = members <= MOST_ROWS ? 'rows' : members <= MOST_CHIPS ? 'chips' : 'cells';
  const drawing: Drawing = { density, rows: rowSize(members), parts };
  return markup`${page.trees.map((tree, index) => oneTree(`tree-${index}`, tree, drawing))}`;
}

function oneTree(id: string, tree: TreeItem, drawing: Drawing): Html {
  const { parts } = drawing;
  const groups = tree.groups.map((group, index) => oneGroup(`${id}-${index}`, group, drawing));
  return markup`<section class="tree" aria-label="${tree.name}">
    ${parts.part(id, band(id, tree))} ${groups}
  </section>`;
}

function oneGroup(id: string, group: GroupItem, drawing: Drawing): Html {
  const { parts } = drawing;
  const tiers = group.tiers.map((tier, index) =>
    oneTier(`${id}-${index}`, tier, group.tiers.length, drawing),
  );
  return markup`<div class="group" data-depth="${Math.min(group.depth, 3)}">
    ${parts.part(`${id}-h`, groupHead(`${id}-h`, group))} ${tiers}
  </div>`;
}

function groupHead(
  id: string,
  { name, depth, mark, phase, message, startedAt, endedAt, runUrl, warnings }: GroupItem,
): Html {
  const link =
    runUrl !== undefined && markup`<a href="${runUrl}" rel="noreferrer">run in the Temporal UI</a>`;
  const rest = markup`${warnings.map((warning) => markup`<p class="warn">${warning}</p>`)}${message !== '' && markup`<p class="msg">${message}</p>`}`;
  // The band names the topmost group already, and has its clock.
  if (depth === 0)
    return markup`<div class="ghead ${mark}" id="${id}">
      <span class="phase">${phase}</span>${link}${rest}
    </div>`;
  const time =
    startedAt === undefined
      ? ''
      : endedAt === undefined
        ? clock('up', startedAt)
        : markup`<span class="muted">took ${durationText(endedAt - startedAt)}</span>`;
  return markup`<div class="ghead ${mark}" id="${id}">
    <h2>${shape(mark)}${name}</h2>
    <span class="phase">${phase}</span>${time}${link}${rest}
  </div>`;
}

function oneTier(id: string, tier: TierItem, tiers: number, { density, rows, parts }: Drawing): Html {
  const head = parts.part(`${id}-h`, tierHead(`${id}-h`, tier, tiers));
  if (tier.chart)
    return markup`<section class="tier">
      ${head}
      <div class="chart">${tierChart(tier.chart, rows)}</div>
    </section>`;
  const members = tier.members.map((member, index) => {
    const at = `${id}-${index}`;
    return parts.part(at, MEMBER[density](at, member));
  });
  const notes = density === 'rows' ? '' : parts.part(`${id}-n`, tierNotes(`${id}-n`, tier.members));
  return markup`<section class="tier">
    ${head}
    <div>
      <ul class="${density}">
        ${members}
      </ul>
      ${notes}
    </div>
  </section>`;
}

function tierHead(id: string, tier: TierItem, tiers: number): Html {
  const { index, mark, word, until, done, total, target, forecast, took } = tier;
  return markup`<div class="thead ${mark}" id="${id}">
    <h3>${shape(mark)}${index === undefined ? 'Members' : `Tier ${index + 1} of ${tiers}`}</h3>
    <p class="now">${word}${until !== undefined && markup` ${clock('down', until)}`}</p>
    <p>${done} of ${total} done${took !== undefined && !target && ` after ${durationText(took)}`}</p>
    ${
      target &&
      markup`<p>
        target ${durationText(target.rto)} ${targetMark(target)}
        ${target.took !== undefined && durationText(target.took)}
      </p>`
    }${forecast?.median !== undefined && mark !== 'Done' && markup`<p>expected ${roughMoment(forecast.median)}</p>`}
  </div>`;
}

const MEMBER: Record<Density, (id: string, member: MemberItem) => Html> = {
  rows: (id, member) => {
    const { name, mark, word, since, until, attempts, error } = member;
    const time =
      until !== undefined
        ? clock('down', until)
        : mark !== 'Done' && mark !== 'Waiting' && since !== undefined
          ? clock('up', since)
          : '';
    const tries = attempts !== undefined && attempts > 1 ? `attempt ${attempts}, ` : '';
    const text = error ?? `${tries}${member.detail ?? word}`;
    return markup`<li class="row ${mark}" id="${id}">
      ${shape(mark)}<b>${name}</b
      ><span class="d${error !== undefined && ' err'}" title="${text}">${text}</span>${time}
    </li>`;
  },
  chips: (id, member) =>
    markup`<li class="chip ${member.mark}" id="${id}" title="${titleOf(member)}">
      ${shape(member.mark)}<span>${member.name}<span class="vh">, ${MARK_WORD[member.mark]}</span></span>
    </li>`,
  cells: (id, member) =>
    markup`<li class="cell ${member.mark}" id="${id}" title="${titleOf(member)}">
      ${shape(member.mark)}<span class="vh">${member.name}, ${MARK_WORD[member.mark]}</span>
    </li>`,
};

function titleOf({ name, word, detail, error, attempts }: MemberItem): string {
  const words = [
    detail ?? word,
    attempts !== undefined && attempts > 1 ? `attempt ${attempts}` : '',
    error ?? '',
  ];
  return `${name}: ${words.filter((text) => text !== '').join('; ')}`;
}

/** Members with an error, then those that have waited longest. */
function tierNotes(id: string, members: readonly MemberItem[]): Html {
  const open = members
    .filter(({ mark }) => mark === 'Working' || mark === 'Missing')
    .sort(
      (a, b) =>
        Number(b.error !== undefined) - Number(a.error !== undefined) || (a.since ?? 0) - (b.since ?? 0),
    );
  if (open.length === 0) return markup`<ul class="notes" id="${id}"></ul>`;
  const lines = open.slice(0, MOST_NOTES).map(
    ({ name, mark, word, detail, error, since, attempts }) =>
      markup`<li>
          ${shape(mark)}<b>${name}</b>${since !== undefined && clock('up', since)}<span class="d"
            >${
              attempts !== undefined && attempts > 1 && `attempt ${attempts}, `
            }${error ?? detail ?? word}</span
          >
        </li>`,
  );
  const more = open.length - lines.length;
  return markup`<ul class="notes" id="${id}">
    ${lines}${more > 0 && markup`<li class="muted">and ${more} more in progress</li>`}
  </ul>`;
}
