/**
 * What the refusals of an API server mean for the next attempt, and what they tell people.
 *
 * Guarantees: G8.
 */
import { KubernetesError } from '../../../kubernetes';
import { platformError } from '../../../platforms/on-kubernetes';

const HINT = "; let the worker's role update leases";

test.each([
  [
    'a missing right',
    'leases "x" is forbidden: User "w" cannot update resource "leases" in API group ""',
    HINT,
  ],
  [
    'a namespace that is being deleted',
    'leases "x" is forbidden: unable to create new content in namespace prod because it is being terminated',
    '',
  ],
  ['a quota', 'leases "x" is forbidden: exceeded quota: objects, requested: count/leases=1', ''],
  ['a webhook', 'admission webhook "w" denied the request: not on Fridays', ''],
  [
    'a policy',
    "leases \"x\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: not on Fridays",
    '',
  ],
])('403 of %s: advice on rights only where a right is missing', (_what, said, advice) => {
  const { failureClass, message } = platformError(
    new KubernetesError(said, 403, 'Forbidden'),
    'update',
    'leases',
  );
  expect({ failureClass, message }).toEqual({ failureClass: 'Permanent', message: said + advice });
});
