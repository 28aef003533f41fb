/** When objects are stamped at admission: STAMP-1. */
import { patchAdmission, type JsonPatchOperation } from '../../../api';
import { stampPatch, Stamps } from '../../../bridge/stamps';

const stamps = new Stamps();
stamps.use('key');
const NOW = Date.parse('2026-11-29T01:00:00Z');
const group = (spec: object, metadata: object = {}): object => ({
  kind: 'VirtualMachineGroup',
  metadata: { name: 'app', namespace: 'prod', ...metadata },
  spec,
});

function patchOf(operation: 'CREATE' | 'UPDATE', object: object, oldObject?: object): JsonPatchOperation[] {
  const request = {
    operation,
    object,
    oldObject,
    kind: 'VirtualMachineGroup',
    namespace: 'prod',
    user: 'alice',
  };
  return stampPatch(stamps, request, patchAdmission(request, NOW), NOW);
}

const on = { powerState: 'PoweredOn' };
const off = { powerState: 'PoweredOff' };
const subject = { kind: 'VirtualMachineGroup', namespace: 'prod', name: 'app' };

test('a new object, and a new spec, are stamped for the generation that they become', () => {
  const [created] = patchOf('CREATE', group(on));
  expect(created).toMatchObject({ op: 'add', path: '/metadata/annotations' });
  const annotations = created?.value as Record<string, string>;
  expect(stamps.read({ ...subject, generation: 1 }, annotations)).toMatchObject({ user: 'alice' });
  expect(stamps.read({ ...subject, generation: 2 }, annotations)).toBeUndefined();
  expect(stamps.read({ ...subject, name: 'other', generation: 1 }, annotations)).toBeUndefined();

  const old = group(on, { generation: 4, annotations });
  const patch = patchOf('UPDATE', group(off, { generation: 4, annotations }), old);
  const after = Object.fromEntries(
    patch.map(({ path, value }) => [
      path.slice('/metadata/annotations/'.length).replace('~1', '/'),
      value as string,
    ]),
  );
  expect(stamps.read({ ...subject, generation: 5 }, { ...annotations, ...after })).toMatchObject({
    user: 'alice',
  });
});

test('what changes no spec keeps the stamp, whatever the request says', () => {
  const annotations = stamps.make({ ...subject, generation: 1 }, 'anna', NOW);
  const old = group(on, { generation: 1, annotations });
  expect(patchOf('UPDATE', group(on, { generation: 1, annotations, labels: { a: 'b' } }), old)).toEqual([]);
  const taken = { ...annotations, 'vmgroup.dev/changed-by': 'mallory' };
  expect(patchOf('UPDATE', group(on, { generation: 1, annotations: taken }), old)).toEqual([
    { op: 'add', path: '/metadata/annotations/vmgroup.dev~1changed-by', value: 'anna' },
  ]);
  expect(patchOf('UPDATE', group(on, { generation: 1 }), old)).toEqual([
    { op: 'add', path: '/metadata/annotations', value: annotations },
  ]);
});

test('CANONICAL-1: a spec may be nested as deeply as JSON can be', () => {
  const deep = (last: number): object =>
    JSON.parse(`{"x":${'['.repeat(100_000)}${last}${']'.repeat(100_000)}}`) as object;
  expect(patchOf('UPDATE', group(deep(1)), group(deep(1)))).toEqual([]);
  expect(patchOf('UPDATE', group(deep(2)), group(deep(1)))).toHaveLength(1);

  const command = { ...subject, kind: 'OperatorCommand', generation: 1 };
  const annotations = stamps.make({ ...command, spec: deep(1) }, 'alice', NOW);
  expect(stamps.read({ ...command, spec: deep(1) }, annotations)?.user).toBe('alice');
  expect(stamps.read({ ...command, spec: deep(2) }, annotations)).toBeUndefined();
});

test('a sync time that admission keeps is no change of the spec', () => {
  const annotations = stamps.make({ ...subject, generation: 1 }, 'anna', NOW);
  const time = { ...on, nextForcePowerStateSyncTime: '2026-11-29T00:00:00Z' };
  const old = group(time, { generation: 1, annotations });
  expect(patchOf('UPDATE', group(on, { generation: 1, annotations }), old)).toEqual([]);
  const asked = group({ ...on, nextForcePowerStateSyncTime: 'now' }, { generation: 1, annotations });
  expect(patchOf('UPDATE', asked, old)).not.toEqual([]);
});
