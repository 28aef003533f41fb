/** Stands before an API server and lets a test decide, call by call, what goes wrong. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parse, stringify } from 'yaml';
import { startHttpFaultProxy, type HttpFaultProxy, type SeenCall } from './http-fault-proxy';

export type { Fault, SeenCall } from './http-fault-proxy';

/** A proxy that is open. */
export interface FaultProxy extends HttpFaultProxy {
  /** Path of a kubeconfig that leads through the proxy. */
  kubeconfig: string;
}

/**
 * Opens a proxy for the user of the kubeconfig.
 *
 * @param mark What is added to the resource of a call whose body matches, so that calls can be told apart by what they write.
 */
export async function startFaultProxy(
  kubeconfig: string,
  mark?: { body: RegExp; as: string },
): Promise<FaultProxy> {
  const config = parse(readFileSync(kubeconfig, 'utf8')) as {
    clusters: { name: string; cluster: { server: string } }[];
  };
  const proxy = await startHttpFaultProxy({
    target: config.clusters[0]?.cluster.server ?? '',
    ...(mark && { readBodies: true }),
    describe: (message, body) => {
      const call = callOf(message);
      return mark?.body.test(body) ? { ...call, resource: `${call.resource} ${mark.as}` } : call;
    },
  });
  const clusters = config.clusters.map(({ name }) => ({
    name,
    cluster: { server: proxy.address, 'insecure-skip-tls-verify': true },
  }));
  const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-fault-proxy-'));
  const file = path.join(dir, 'kubeconfig.yaml');
  writeFileSync(file, stringify({ ...config, clusters }));
  return {
    ...proxy,
    kubeconfig: file,
    close: async () => {
      await proxy.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Plural of the resource, `/status` after it where that is what the call is about. */
function callOf({ url = '' }: IncomingMessage): Pick<SeenCall, 'resource' | 'watch'> {
  const { pathname, searchParams } = new URL(url, 'http://proxy');
  const [root, ...steps] = pathname.slice(1).split('/');
  const rest = steps.slice(root === 'api' ? 1 : 2);
  const [plural = '', , subresource] = rest[0] === 'namespaces' && rest.length > 2 ? rest.slice(2) : rest;
  const resource = subresource === undefined ? plural : `${plural}/${subresource}`;
  return { resource, watch: searchParams.get('watch') === 'true' };
}
