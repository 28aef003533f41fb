/** Explanations as text for a terminal. Pure. */
import { listed } from '../../api/text';
import type { GroupView } from '../../bridge';
import { failureText, type Hold, type Why } from '../../insight';
import { commandLines, groupName, wrapped, type Drawing } from '../groups';
import { counted, clock, elapsed } from '../output';

/** What is explained. */
export interface Explained {
  view: GroupView;
  found: readonly Why[];
  /** All members were asked about, and not one. */
  all: boolean;
}

/** Members with one cause that are named. */
const MOST_NAMED = 3;
/** Causes that are drawn. */
const MOST_CAUSES = 30;

/** One member with its chain; or of all members those that are not there, by their causes. */
export function whyText({ view, found, all }: Explained, drawing: Drawing): string {
  const open = found.filter(({ isThere }) => !isThere);
  const lines = [
    `${drawing.paint.strong(groupName(view))}  ${[view.spec.powerState, view.phase].filter(Boolean).join('  ')}`,
    ...(open.length === 0
      ? [restText({ view, found, all })]
      : causesOf(open).flatMap((cause, at, causes) =>
          causeLines(cause, { at, causes: causes.length }, drawing),
        )),
  ];
  return `${lines.join('\n')}\n`;
}

function restText({ view, found, all }: Explained): string {
  const state = view.spec.powerState ?? 'its desired state';
  if (all) return `  nothing holds it: ${found.length} of ${found.length} members are ${state}`;
  return `  ${found[0]?.member} is ${found[0]?.powerState ?? state}: nothing holds it`;
}

/** Members that the same thing holds: the shortest chain is drawn. */
interface Cause {
  chain: readonly Hold[];
  members: string[];
}

function causesOf(open: readonly Why[]): Cause[] {
  const causes = new Map<string, Cause>();
  for (const { member, chain } of open) {
    const last = chain.at(-1);
    const key = last ? `${last.group} ${last.member ?? ''} ${last.kind}` : '';
    const known = causes.get(key);
    if (!known) causes.set(key, { chain, members: [member] });
    else
      causes.set(key, {
        chain: chain.length < known.chain.length ? chain : known.chain,
        members: [...known.members, member],
      });
  }
  return [...causes.values()];
}

function causeLines(
  { chain, members }: Cause,
  { at, causes }: { at: number; causes: number },
  drawing: Drawing,
): string[] {
  if (at >= MOST_CAUSES)
    return at === MOST_CAUSES ? [`  … and ${counted(causes - MOST_CAUSES, 'more cause')}`] : [];
  const [first] = chain;
  const others = members.filter((name) => name !== first?.member);
  if (!first) return [`  ${listed(members, MOST_NAMED)}: nothing is known yet`];
  const held =
    others.length === 0
      ? []
      : [
          `    holds ${counted(others.length, 'other member')}: ${others.slice(0, MOST_NAMED).join(', ')}${others.length > MOST_NAMED ? ', …' : ''}`,
        ];
  return [
    ...chain.flatMap((hold, depth) => holdLines(hold, depth, first.group, drawing)),
    ...held.map((text) => drawing.paint.dim(text)),
  ];
}

function holdLines(hold: Hold, depth: number, group: string, drawing: Drawing): string[] {
  const { now, paint, width = 80 } = drawing;
  const indent = '  ' + '  '.repeat(Math.min(depth, DEEPEST));
  const who = [hold.group === group ? undefined : hold.group, hold.member].filter(Boolean).join(' ');
  const text = [who, hold.text].filter(Boolean).join(' ');
  const [head = '', ...rest] = wrapped(`${text}${timesOf(hold, now)}`, width, `${indent}  `);
  const error = hold.lastError
    ? wrapped(`${failureText(hold.lastError)}${retryOf(hold, now)}`, width, `${indent}    `)
    : [];
  return [
    `${indent}${depth === 0 ? '' : '└ '}${head.trimStart()}`,
    ...rest,
    ...error.map((text) => paint.bad(text)),
    ...hold.commands.flatMap((command) => commandLines(command, `${indent}    `, drawing)),
  ];
}

/** Links of a chain that are indented more than the one before. */
const DEEPEST = 8;

function timesOf({ since, until, kind }: Hold, now: number): string {
  if (until !== undefined && kind === 'Delay')
    return `, until ${clock(until)} (${elapsed(until - now)} left)`;
  return since === undefined ? '' : `, for ${elapsed(now - since)}`;
}

function retryOf({ nextRetryAt }: Hold, now: number): string {
  return nextRetryAt !== undefined && nextRetryAt > now ? `; next try in ${elapsed(nextRetryAt - now)}` : '';
}
