/** Fields that the definition of a cluster does not have. */
import { UndeclaredFields } from '../../../bridge/kubernetes/stored-status/undeclared-fields';
import { KubernetesError } from '../../../kubernetes';

const refusal = new KubernetesError(
  'PATCH: the API server answered 500: failed to create typed patch object: .status.readyMembers: field not declared in schema; .status.tiers[0].name: field not declared in schema; .status.other: field not declared in schema',
  500,
  '',
);

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

test('STORE-5: those that were sent are left out, and tried again after ten minutes', () => {
  const fields = new UndeclaredFields();
  expect(fields.learn(refusal, { readyMembers: 1, tiers: [], phase: 'Running' })).toBe(true);
  const leftOut = (): string[] =>
    ['readyMembers', 'tiers', 'phase', 'other'].filter((field) => fields.has(field));
  expect(leftOut()).toEqual(['readyMembers', 'tiers']);
  jest.advanceTimersByTime(599_000);
  expect(leftOut()).toEqual(['readyMembers', 'tiers']);
  jest.advanceTimersByTime(1_000);
  expect(leftOut()).toEqual([]);
  expect(fields.learn(refusal, { phase: 'Running' })).toBe(false);
  expect(fields.learn(new Error('.status.phase: field not declared in schema'), { phase: 'Running' })).toBe(
    false,
  );
});
