/** A request for a run of a tree that the API server takes in part. */
import { explain } from '../../../cli/errors';
import { GroupTree } from '../../../cli/new-run/group-tree';
import { requestRunOf } from '../../../cli/new-run/sync-request';
import { COMPANION } from '../../../api';
import type { ApiServer, KubernetesObject } from '../../../kubernetes';

const annotations = { [COMPANION.powerState]: 'PoweredOn' };
const group = (name: string, spec: object, metadata: object = {}): KubernetesObject => ({
  metadata: { namespace: 'prod', name, uid: name, ...metadata },
  spec,
});

/** The API server refuses the group `refused`. */
function serverWithout(refused: string): { api: ApiServer; asked: string[] } {
  const asked: string[] = [];
  const merge = async (_resource: unknown, { name }: { name: string }): Promise<unknown> => {
    if (name === refused) throw new Error('the server is shutting down');
    asked.push(name);
    return group(name, { nextForcePowerStateSyncTime: 'now' });
  };
  return { api: { merge } as unknown as ApiServer, asked };
}

const nested = group('db', { groupName: 'site' });
const tree = new GroupTree([group('site', {}, { annotations }), nested]);
const requester = { actor: 'anna', reason: 'site A is gone' } as Parameters<typeof requestRunOf>[3];

async function errorOf(refused: string): Promise<string> {
  const { api } = serverWithout(refused);
  return explain(await requestRunOf(api, tree, nested, requester).catch((error: unknown) => error));
}

test('G8: what was asked for before the refusal is named', async () => {
  const text = await errorOf('site');
  expect(text).toMatch(
    /^error: prod\/site was not asked for a new run: .*the server is shutting down; asked already: prod\/db \(now\)\n/,
  );
  expect(text).toContain('→ then repeat the command');
});

test('a refusal of the first one is the error as it is', async () => {
  expect(await errorOf('db')).not.toContain('asked already');
});
