/**
 * `vmgroup retry --all`: retries the parked members of many runs.
 *
 * RETRY-ALL-1: nothing is sent before the members were shown and the user agreed, on a terminal or by `--yes`.
 * RETRY-ALL-2: each member gets a command that names it, so members that are done, skipped or marked ready are never touched.
 */
import type { Client } from '@temporalio/client';
import pMap from 'p-map';
import type { ObjectName } from '../../api';
import { withTemporalClient } from '../connections';
import { CliError, EXIT, messageOf } from '../errors';
import type { Format } from '../options';
import { type Column, counted, print, printData, printLine, printNote, printText, table } from '../output';
import { listRuns, stuckRuns, type StuckMember } from '../runs';
import { answerOf } from './question';
import { sendToRun, type OperatorCommandOptions } from './send';

/** Options of `retry --all`. */
export interface RetryAllOptions extends OperatorCommandOptions {
  root?: ObjectName;
  yes?: boolean;
  output: Format;
}

/** Most runs, and most members, of one command. */
const MOST_RUNS = 1_000;
const MOST_MEMBERS = 1_000;

/** Commands that are under way at the same time. Temporal lets 10 Updates of one run be open. */
const CONCURRENCY = 5;

/** A parked member, and the answer to its retry. */
interface Parked extends StuckMember {
  namespace: string;
  group: string;
  member: string;
}

/** A {@link Parked} member after its retry was sent. */
interface Answered extends Parked {
  accepted: boolean;
  answer: string;
}

const COLUMNS: Column<Parked>[] = [
  { head: 'GROUP', of: ({ namespace, group }) => `${namespace}/${group}` },
  { head: 'MEMBER', of: ({ member }) => member },
  { head: 'CLASS', of: (row) => row.class },
  { head: 'ATTEMPTS', of: ({ attempts }) => attempts },
  { head: 'MESSAGE', prose: true, of: ({ message }) => message },
];

/**
 * Shows the parked members of all open runs, or of one tree, and retries them.
 *
 * @throws CliError if the user did not agree, there are too many members, or a retry was not accepted.
 */
export async function retryAll(options: RetryAllOptions): Promise<void> {
  await withTemporalClient(options, async (client) => {
    const members = await parkedMembers(client, options.root);
    if (members.length === 0) {
      if (options.output === 'json') printData('[]\n');
      printNote('no member is parked');
      return;
    }
    if (options.output !== 'json') printText(table(COLUMNS, members));
    await agree(members, options);
    const answered = await pMap(members, (member) => retryOne(client, member, options), {
      concurrency: CONCURRENCY,
    });
    if (options.output === 'json') print('json', answered, () => '');
    const refused = answered.filter(({ accepted }) => !accepted);
    if (refused.length === 0) return;
    throw new CliError(`${refused.length} of ${answered.length} retries were not accepted`, [
      'see what is still stuck: vmgroup get runs --stuck',
    ]);
  });
}

/**
 * The parked members of all open runs, or of those of one tree.
 *
 * @throws CliError if there are too many runs or members: none of them is left out silently.
 */
export async function parkedMembers(client: Client, root: ObjectName | undefined): Promise<Parked[]> {
  const rows = await listRuns(client, { stuck: true, ...(root && { root }) }, MOST_RUNS + 1);
  if (rows.length > MOST_RUNS)
    throw new CliError(`more than ${MOST_RUNS} runs wait; one command looks into ${MOST_RUNS} at most`, [
      'name a tree: --root NAMESPACE/NAME',
    ]);
  const runs = await stuckRuns(client, rows);
  const silent = runs.filter(({ stuck }) => stuck.some(({ kind }) => kind === 'NoAnswer'));
  for (const { namespace, group, stuck } of silent)
    printNote(`note: ${namespace}/${group} is left out: ${stuck[0]?.message}`);
  const members = runs.flatMap(({ namespace, group, stuck }) =>
    stuck.flatMap((each): Parked[] =>
      each.kind === 'Parked' && each.member !== undefined
        ? [{ ...each, namespace, group, member: each.member }]
        : [],
    ),
  );
  if (members.length <= MOST_MEMBERS) return members;
  throw new CliError(`${members.length} members are parked; one command retries ${MOST_MEMBERS} at most`, [
    'name a tree: --root NAMESPACE/NAME',
    'or retry a whole run at once: vmgroup retry NAMESPACE/NAME --reason TEXT',
  ]);
}

/** RETRY-ALL-1. */
async function agree(members: readonly Parked[], { yes }: RetryAllOptions): Promise<void> {
  if (yes) return;
  const groups = new Set(members.map(({ namespace, group }) => `${namespace}/${group}`)).size;
  const what = `${counted(members.length, 'member')} of ${counted(groups, 'run')}`;
  if (!process.stdin.isTTY)
    throw new CliError(`${what} would be retried; cannot ask for confirmation, as this is not a terminal`, [
      'retry them without asking: add --yes',
    ]);
  const answer = await answerOf(`Retry ${what}? [y/N] `);
  if (answer !== undefined && /^y(es)?$/i.test(answer.trim())) return;
  const exitCode = answer === undefined ? EXIT.interrupted : EXIT.failed;
  throw new CliError('nothing was retried', [], { exitCode });
}

/** RETRY-ALL-2. */
async function retryOne(
  client: Client,
  parked: Parked,
  { actor, reason, output }: RetryAllOptions,
): Promise<Answered> {
  const { namespace, group: name, member } = parked;
  const { accepted, answer } = await sendToRun(
    client,
    'retryMember',
    { namespace, name },
    { member, actor, reason },
  ).then(
    (message) => ({ accepted: true, answer: message }),
    (error: unknown) => ({ accepted: false, answer: messageOf(error) }),
  );
  if (output !== 'json')
    printLine(`${namespace}/${name} ${member}: ${accepted ? answer : `not accepted: ${answer}`}`);
  return { ...parked, accepted, answer };
}
