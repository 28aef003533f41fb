/** Groups of a cluster that are followed. */
import { followViews } from '../../../cli/groups';
import { refuse, say, startStubApiServer } from '../../support/stub-api-server';

test('a user who may read a group but not list groups is told so, instead of waiting silently', async () => {
  const server = await startStubApiServer(({ url = '' }, response) => {
    if (!/virtualmachinegroups\/shop/.test(url)) return refuse(response, 403, 'Forbidden');
    say(response, 200, { metadata: { namespace: 'prod', name: 'shop', uid: 'u' }, spec: {} });
  });
  const { kubeconfig } = server;
  const followed = followViews(
    { namespace: 'prod', name: 'shop' },
    { kubeconfig, data: 'none' },
    () => undefined,
  );
  await expect(followed).rejects.toThrow(
    'you may not list virtualmachinegroups.vmoperator.vmware.com in namespace prod',
  );
  server.close();
});
