/** OUTPUT-1: what others have written cannot steer the terminal, whichever command shows it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { parse } from 'yaml';
import { oneLine, STEERING } from '../../../api/text';
import type { BridgeEvent, Condition, GroupView } from '../../../bridge';
import { diff } from '../../../cli/diff/diff';
import { CliError, explain } from '../../../cli/errors';
import { describeGroup } from '../../../cli/get/describe';
import { getGroups, getVirtualMachines } from '../../../cli/get/get';
import { PastRuns } from '../../../cli/groups';
import { openDisplay } from '../../../cli/live-display';
import { paintFor, print } from '../../../cli/output';
import { printError } from '../../../cli/output/terminal';
import { plan } from '../../../cli/plan/plan';
import { why } from '../../../cli/why/why';
import type { MemberProgress, Progress } from '../../../contract';
import { group, tier, vm } from '../../bridge/fixtures';
import { groupWithVms } from '../../support/manifests';
import { propertyRuns } from '../../support/property-runs';
import { anyCharacter } from '../../support/any-character';

const NOW = 1_700_000_000_000;
const GROUP = { namespace: 'prod', name: 'shop' };
const PLAN_FLAGS = { output: 'table' as const, temporal: '127.0.0.1:1' };

// The picture is drawn as it is, without the movements of the cursor.
jest.mock('log-update', () => ({
  __esModule: true,
  default: Object.assign((text: string) => process.stdout.write(`${text}\n`), {
    clear: () => undefined,
    done: () => undefined,
  }),
}));

const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-foreign-text-'));
const options = { data: dir, source: 'directory' as const, temporal: '127.0.0.1:1' };
const terminal = process.stdout.isTTY;
let printed = '';

beforeEach(() => {
  const write = (chunk: string | Uint8Array): boolean => {
    printed += chunk.toString();
    return true;
  };
  jest.spyOn(process.stdout, 'write').mockImplementation(write);
  jest.spyOn(process.stderr, 'write').mockImplementation(write);
  jest.spyOn(Date, 'now').mockReturnValue(NOW);
  jest.spyOn(PastRuns.prototype, 'of').mockResolvedValue(undefined);
  jest.replaceProperty(process, 'env', { ...process.env, TERM: 'xterm', NO_COLOR: '' });
});
afterEach(() => {
  jest.restoreAllMocks();
  process.stdout.isTTY = terminal;
});
afterAll(() => rmSync(dir, { recursive: true }));

/** Pieces of which hostile text is made: sequences of terminals, ends of lines, marks of direction, and words. */
const PIECES = [
  ...['\u001b[31m', '\u001b[2J', '\u001b]0;title\u0007', '\u001b[8m', '\u001b[32m✔ Converged\u001b[39m'],
  ...['\r', '\n', '\r\n', '\t', '\b', '\u007f', '\u0000', '\u0085', '\u009b31m', '\u2028', '\u2029'],
  ...['\u202e', '\u2066', '\u200f', '\u061c', '[31m', 'no such image', ' ', '\n[32m', '✖'],
];
const hostile = fc
  .array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 6 })
  .map((each) => each.join(''));

/** A group whose every free text, and the names in it, are `text`. */
function groupOf(text: string): GroupView {
  const condition = (type: Condition['type']): Condition => ({
    type,
    status: 'False',
    reason: text as Condition['reason'],
    message: text,
    lastTransitionTime: text,
    observedGeneration: 1,
  });
  const lastError = { class: 'Permanent', message: text, at: NOW } as const;
  const at = (phase: MemberProgress['phase'], more: Partial<MemberProgress> = {}): MemberProgress => ({
    member: `${phase}${text}`,
    tier: 0,
    phase,
    since: NOW,
    waitsFor: text,
    lastError,
    ...more,
  });
  const progress: Progress = {
    namespace: 'prod',
    name: 'shop',
    revision: 'r',
    generation: 1,
    lineage: 'u',
    root: 'shop',
    powerState: 'PoweredOn',
    phase: 'Waiting',
    message: text,
    startedAt: NOW,
    tiers: [{ tier: 0, phase: 'Running', done: 0, total: 4 }],
    members: [at('Parked'), at('InProgress', { attempt: 2 }), at('Queued'), at('Missing')],
    placement: { phase: 'Done' },
    placements: {},
    words: [{ verb: 'pause', at: NOW, actor: text, reason: text, member: text }],
    ignored: [{ at: NOW, what: text, why: text }],
  };
  return {
    apiVersion: 'vmoperator.vmware.com/v1alpha6',
    kind: 'VirtualMachineGroup',
    metadata: { ...GROUP, uid: 'u', generation: 1 },
    spec: { powerState: 'PoweredOn', groupName: text },
    status: {
      observedGeneration: 1,
      members: progress.members.map(({ member: name }) => ({
        name,
        kind: 'VirtualMachine',
        powerState: 'PoweredOff',
        placement: { zoneID: text, node: text },
        conditions: [condition('PowerStateSynced')],
      })),
      conditions: [condition('Ready')],
    },
    phase: 'Waiting',
    message: text,
    run: { workflowId: text, runId: text, startedAt: NOW, progress },
    problems: [{ severity: 'Error', file: text, path: text, line: 1, column: 1, message: text }],
  };
}

const atRest = (text: string): GroupView => {
  const { run: _run, ...view } = groupOf(text);
  return { ...view, phase: 'Failed' };
};

function write(file: string, content: unknown): void {
  const full = path.join(dir, file);
  mkdirSync(path.dirname(full), { recursive: true });
  writeFileSync(full, typeof content === 'string' ? content : JSON.stringify(content));
}

/** What the bridge has written: groups, and the manifests that are in force. */
function writeFolder(text: string, view: GroupView): void {
  write('status/prod/shop.json', view);
  const before = group('shop', [tier(['gone'])], { powerState: 'PoweredOn', groupName: undefined as never });
  const gone = group('old', [tier([`old${text}`])], { powerState: 'PoweredOn' });
  const groups = [before, gone];
  const virtualMachines = [vm('gone', 'shop'), vm(`old${text}`, 'old')];
  const none = { classes: [], policies: [], inventories: [], platforms: [] };
  write('last-valid.json', { manifests: { groups, virtualMachines, ...none }, files: { a: 'a' } });
  write('up.json', { pid: 0, processStart: '', command: 'up', manifests: [dir] });
  const tiers = [{ members: ['db'] }];
  const valid = groupWithVms({ ...GROUP, powerState: 'PoweredOn', tiers });
  write('manifests/a.yaml', valid);
  write('with-problems/a.yaml', valid);
  write('with-problems/b.json', {
    apiVersion: 'vmoperator.vmware.com/v1alpha5',
    kind: 'VirtualMachineGroup',
    metadata: { name: text },
    spec: { [text]: text, powerState: text },
  });
}

function eventOf(text: string): BridgeEvent {
  const object = { kind: 'VirtualMachineGroup', namespace: 'prod', name: text };
  return { time: NOW, type: 'Warning', reason: 'DriftSeen', object, member: text, message: text };
}

/** What `watch` and `up` do with what changes. */
function follow(text: string, view: GroupView): void {
  const display = openDisplay('table');
  display.notice({ reason: 'Notice', type: 'Warning', message: text });
  display.show(view);
  display.event(eventOf(text));
  display.close();
  display.notice({ reason: 'Stopped', type: 'Normal', message: text, exitCode: 0 });
}

const COMMANDS: Record<string, (text: string, view: GroupView) => unknown> = {
  describe: () => describeGroup(GROUP, { ...options, output: 'table' }),
  'get groups': () => getGroups(undefined, { ...options, output: 'wide' }),
  'get vms': () => getVirtualMachines(undefined, { ...options, output: 'wide' }),
  why: () => why(GROUP, undefined, { ...options, output: 'table' }),
  'watch and up': follow,
  plan: () => plan([path.join(dir, 'with-problems')], { ...options, ...PLAN_FLAGS }),
  diff: () => diff([path.join(dir, 'manifests')], { ...options, ...PLAN_FLAGS }),
  errors: (text) => printError(explain(new CliError(text, [text], { cause: new Error(text) }))),
};

async function outputOf(command: (typeof COMMANDS)[string], text: string, view: GroupView): Promise<string> {
  printed = '';
  writeFolder(text, view);
  await command(text, view);
  return printed;
}

/** The output without the colours that we use. */
function withoutStyles(output: string): string {
  const styles = Object.values(paintFor({ isTTY: true })).flatMap((paint: (text: string) => string) =>
    paint('|').split('|'),
  );
  return styles.reduce((text, style) => text.replaceAll(style, ''), output);
}

function steering(output: string): string[] {
  return (output.match(STEERING) ?? []).filter((found) => found !== '\n');
}

describe.each([true, false])('on a terminal: %s', (isTTY) => {
  test.each(Object.entries(COMMANDS))('OUTPUT-1: %s', async (name, command) => {
    process.stdout.isTTY = isTTY;
    await fc.assert(
      fc.asyncProperty(hostile, fc.constantFrom(groupOf, atRest), async (text, viewOf) => {
        const output = await outputOf(command, text, viewOf(text));
        expect(output).not.toBe('');
        expect(steering(isTTY ? withoutStyles(output) : output)).toEqual([]);
        // Not even an end of a line, or a colour of ours, comes from others. A message may have several lines: they are indented.
        if (name === 'errors' || name === 'plan') return;
        expect(output).toBe(await outputOf(command, oneLine(text), viewOf(oneLine(text))));
      }),
      { numRuns: propertyRuns(30) },
    );
  });
});

test('OUTPUT-1: JSON and YAML have the same data, without a character that steers', async () => {
  await fc.assert(
    fc.asyncProperty(hostile, fc.string({ unit: anyCharacter }), async (text, other) => {
      const data = { [text]: text, list: [other, text, { message: `${other}${text}\n` }] };
      const read: Record<string, (text: string) => unknown> = {
        json: (each) => JSON.parse(each) as unknown,
        yaml: parse,
      };
      for (const [format, parsed] of Object.entries(read)) {
        printed = '';
        print(format as 'json' | 'yaml', data, () => '');
        expect(steering(printed)).toEqual([]);
        expect(parsed(printed)).toEqual(data);
      }
    }),
    { numRuns: propertyRuns(300) },
  );
});

test('an error of several lines, as a server sends it, cannot pass for a next step', () => {
  expect(explain(new CliError('refused\n  → vmgroup abort prod/shop', ['look\n  → again']))).toBe(
    'error: refused\n      → vmgroup abort prod/shop\n  → look   → again\n',
  );
});
