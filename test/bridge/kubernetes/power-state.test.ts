/**
 * OWN-4: which writes of a nested group's power state count as corrections, on an API server that answers as the test says.
 *
 * Guarantees: G8.
 */
import type { Group } from '../../../api';
import { KubernetesError, type ApiServer } from '../../../kubernetes';
import { NestedPowerStates } from '../../../bridge/kubernetes/ownership/power-state';

const group = { namespace: 'prod', name: 'db', uid: 'u', powerState: 'PoweredOff' } as Group;

/** The answer to a write: the resource version that it made. */
let answer: () => string;
let writes: number;
let givenUp: string[];
let states: NestedPowerStates;
beforeEach(() => {
  writes = 0;
  givenUp = [];
  const merge = async (): Promise<unknown> => {
    writes += 1;
    return { metadata: { name: 'db', resourceVersion: answer() } };
  };
  states = new NestedPowerStates({ merge } as unknown as ApiServer, (_group, message) =>
    givenUp.push(message),
  );
});

const setOnce = (): Promise<void> => states.set(group, 'PoweredOn');

test('OWN-4: a group whose power state another client keeps changing is left alone after three corrections', async () => {
  answer = () => String(writes);
  for (let pass = 0; pass < 5; pass += 1) await setOnce();
  expect(writes).toBe(3);
  expect(givenUp).toHaveLength(2);
});

test('OWN-4: an API server that refuses the writes for a while is no other client', async () => {
  answer = () => {
    throw new KubernetesError('too many requests', 429, 'TooManyRequests');
  };
  for (let pass = 0; pass < 5; pass += 1) await expect(setOnce()).rejects.toThrow('too many requests');
  answer = () => '9';
  await setOnce();
  expect(writes).toBe(6);
  expect(givenUp).toEqual([]);
});

test('OWN-4: writes that change nothing, because the watch is behind, are no corrections', async () => {
  answer = () => '9';
  for (let pass = 0; pass < 5; pass += 1) await setOnce();
  expect(givenUp).toEqual([]);
});
