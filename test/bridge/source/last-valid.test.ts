import type { Manifests, Problem } from '../../../api';
import {
  idsOf,
  mergeReading,
  NO_MANIFESTS,
  type LastValid,
  type Reading,
} from '../../../bridge/source/last-valid';
import { group, manifests, vm } from '../fixtures';

const SETTLE = 1_000;
const APP = 'VirtualMachineGroup/prod/app';
const A = 'VirtualMachine/prod/a';
const before: LastValid = {
  manifests: manifests({ groups: [group('app', [])], virtualMachines: [vm('a')], policies: [] }),
  files: { [APP]: '/m/app.yaml', [A]: '/m/vms/a.yaml' },
};

function reading(over: Partial<Reading>): Reading {
  return {
    manifests: NO_MANIFESTS,
    problems: [],
    files: {},
    unreadable: [],
    growing: [],
    isComplete: true,
    at: 5_000,
    ...over,
  };
}

function problem(over: Partial<Problem>): Problem {
  return { severity: 'Error', file: '/m/app.yaml', line: 1, column: 1, path: '', message: 'wrong', ...over };
}

const appOnly: Manifests = { ...NO_MANIFESTS, groups: before.manifests.groups };
const waited = { [APP]: 0, [A]: 0 };

test.each<[string, Reading, Record<string, number>, string[], string[]]>([
  ['LAST-VALID-2: missing for the first time: it stays and waits', reading({}), {}, [APP, A], [APP, A]],
  ['LAST-VALID-2: missing long enough: deleted', reading({}), waited, [], []],
  ['LAST-VALID-2: missing, not long enough', reading({}), { [APP]: 4_500, [A]: 0 }, [APP], [APP]],
  [
    'LAST-VALID-2: missing long enough, and its file grows: it waits from now on',
    reading({ growing: ['/m/app.yaml'] }),
    waited,
    [APP],
    [APP],
  ],
  [
    'LAST-VALID-1: an object with an error stays',
    reading({
      problems: [problem({ object: { kind: 'VirtualMachineGroup', namespace: 'prod', name: 'app' } })],
    }),
    waited,
    [APP],
    [],
  ],
  [
    'LAST-VALID-1: an error of a whole file keeps what was in it',
    reading({ problems: [problem({})] }),
    waited,
    [APP],
    [],
  ],
  ['a warning keeps nothing', reading({ problems: [problem({ severity: 'Warning' })] }), waited, [], []],
  ['a folder that cannot be read keeps all below it', reading({ unreadable: ['/m/vms'] }), waited, [A], []],
  ['LAST-VALID-4: a reading cut short keeps all', reading({ isComplete: false }), waited, [APP, A], []],
  [
    'what is there needs no keeping',
    reading({ manifests: appOnly, files: { [APP]: '/m/new.yaml' } }),
    waited,
    [APP],
    [],
  ],
])('%s', (_, read, missing, stays, waits) => {
  const merged = mergeReading(before, read, missing, SETTLE);
  expect(idsOf(merged.lastValid.manifests)).toEqual(stays);
  expect(Object.keys(merged.missingSince)).toEqual(waits);
});

test('an object that moved to another file belongs to that one', () => {
  const merged = mergeReading(
    before,
    reading({ manifests: appOnly, files: { [APP]: '/m/new.yaml' } }),
    {},
    SETTLE,
  );
  expect(merged.lastValid.files[APP]).toBe('/m/new.yaml');
});
