/**
 * What `doctor` says of the admission webhooks, by how an API server takes a group that is created as a dry run.
 *
 * Guarantees: G8.
 */
import { KubernetesError, type ApiServer } from '../../../kubernetes';
import { checkAdmission } from '../../../cli/doctor/admission';

const webhooks = [{ name: 'webhook.vmgroup.dev', clientConfig: { caBundle: 'x' } }];
const metadata = { name: 'vmgroup-doctor-asks' };

function judged(create: () => unknown): ReturnType<typeof checkAdmission> {
  const api = {
    get: () => Promise.resolve({ metadata: { name: 'vmgroup' }, webhooks }),
    create: async () => create(),
  };
  return checkAdmission(api as unknown as ApiServer, {});
}

test.each([
  ['no spec at all', { metadata }],
  ['a spec whose field was pruned', { metadata, spec: {} }],
  [
    'a time that the webhook of VM Operator wrote',
    { metadata, spec: { nextForcePowerStateSyncTime: '2026-01-01T00:00:00Z' } },
  ],
])('a group without a stamp, with %s, was not seen by our webhook', async (_what, group) => {
  expect(await judged(() => group)).toMatchObject({
    check: 'admission',
    result: 'problem',
    message: 'the webhooks are installed, but were not called or did not answer',
  });
});

test('a group with a stamp was', async () => {
  const annotations = { 'vmgroup.dev/changed-by': 'me' };
  expect(await judged(() => ({ metadata: { ...metadata, annotations }, spec: {} }))).toMatchObject({
    result: 'ok',
    message: 'the webhooks are installed and answer',
  });
});

test.each([
  [
    'problem',
    'the webhooks do not answer: Internal error occurred: failed calling webhook "x": no route',
    'Internal error occurred: failed calling webhook "x": no route',
    500,
  ],
  [
    'note',
    'the webhooks are installed; whether they answer is unknown: namespaces "default" not found',
    'namespaces "default" not found',
    404,
  ],
  [
    'note',
    'the webhooks are installed; whether they answer is unknown: admission webhook "vmop" denied the request: no',
    'admission webhook "vmop" denied the request: no',
    403,
  ],
  [
    'note',
    'the webhooks are installed; run doctor as a user who may create groups to check whether they answer',
    'User "me" cannot create resource',
    403,
  ],
])('%s: %s', async (result, message, said, code) => {
  const refuse = (): never => {
    throw new KubernetesError(said, code, '');
  };
  expect(await judged(refuse)).toMatchObject({ result, message });
});
