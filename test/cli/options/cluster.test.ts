/** Flags that lead a suggested command to the same cluster. */
import { clusterFlags } from '../../../cli/options';

test('a shell reads them back as they were given', () => {
  expect(clusterFlags({ kubeconfig: '/home/kim/My Files/config', context: 'admin@dr' })).toBe(
    " --kubeconfig '/home/kim/My Files/config' --context admin@dr",
  );
});
