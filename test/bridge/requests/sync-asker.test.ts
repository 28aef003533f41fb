import { askerAnnotations, indexManifests } from '../../../bridge';
import { syncAsker } from '../../../bridge/requests/sync-asker';
import { group, manifests, tier } from '../fixtures';

const bob = { actor: 'bob', reason: 'INC-4711' };
const T1 = '2026-01-01T00:00:00Z';

/** A group of this generation, with annotations that were written when it had the one before `written`. */
function site(generation: number, written: number, sync = T1) {
  return group('site', [tier(['group:app'])], {
    powerState: 'PoweredOn',
    uid: 'uid-1',
    generation,
    revision: `uid-1:${generation}`,
    nextForcePowerStateSyncTime: sync,
    annotations: askerAnnotations(bob, { uid: 'uid-1', generation: written - 1 }),
  });
}

const asker = (driver: ReturnType<typeof site>, told?: string, others: ReturnType<typeof site>[] = []) =>
  syncAsker(indexManifests(manifests({ groups: [driver, ...others] })), driver, told);

test('named for the sync that was written with the annotations', () => {
  expect(asker(site(3, 3), '')).toEqual(bob);
  expect(asker(site(3, 3), '2025-12-31T00:00:00Z')).toEqual(bob);
  expect(asker(site(3, 3, 'now'), 'now@uid-1:2')).toEqual(bob);
  expect(asker(site(3, 3))).toEqual(bob);
});

test('a group in a tree has a revision of its own making', () => {
  expect(asker({ ...site(3, 3), groupName: 'above', revision: 'uid-1:0a1b2c3d4e5f' }, '')).toEqual(bob);
});

test('ASKER-1: not for a later write, nor in a copy', () => {
  expect(asker(site(4, 3), '')).toBeUndefined();
  expect(asker({ ...site(3, 3), uid: 'uid-2' }, '')).toBeUndefined();
  const { nextForcePowerStateSyncTime: _, ...without } = site(3, 3);
  expect(asker(without, '')).toBeUndefined();
});

test('ASKER-2: not for a sync that was sent; for a group below only if it is known what was sent', () => {
  expect(asker(site(3, 3), T1)).toBeUndefined();
  expect(asker(site(3, 3), `2025-12-31T00:00:00Z;${T1}`)).toBeUndefined();
  const plain = { ...site(5, 3, '2026-02-02T00:00:00Z'), name: 'top' };
  const below = { ...site(3, 3), groupName: 'top' };
  expect(asker(plain, '', [below])).toEqual(bob);
  expect(asker(plain, `${T1};x`, [below])).toBeUndefined();
  expect(asker(plain, undefined, [below])).toBeUndefined();
});
