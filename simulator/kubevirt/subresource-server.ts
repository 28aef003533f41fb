/** Serves the actions of VMs as virt-api does, for an API server that passes them on. Who asks was authorized by that one. */
import { createServer, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fieldsOf, own } from '../../api';
import { KubernetesError, RESOURCES, type ApiServer } from '../../kubernetes';
import { trimInstance, trimMachine, type KubevirtMachine } from '../../platforms/kubevirt';
import { SIMULATOR_FIELD_MANAGER } from '../vm-controller';
import type { KubevirtController } from './controller';
import { hasFault } from './facts';
import { answerAction, type SubresourceAction } from './subresources';

const GROUP = 'subresources.kubevirt.io';
const ROOT = `/apis/${GROUP}`;
const PATH = new RegExp(
  `^${ROOT}/v1/namespaces/([^/]+)/virtualmachine(?:s/([^/]+)/(start|stop|restart)|instances/([^/]+)/(pause|unpause))$`,
);
/** Bytes of a body. */
const MAX_BODY = 10_000;

/** A server that is open. */
export interface SubresourceServer {
  port: number;
  close(): Promise<void>;
}

/** What {@link startSubresourceServer} works with. */
export interface SubresourceServerOptions {
  api: ApiServer;
  controller: () => KubevirtController;
  /** PEM. */
  cert: string;
  key: string;
}

/** Starts it on loopback, on any free port, and registers it with the API server. */
export async function startSubresourceServer(options: SubresourceServerOptions): Promise<SubresourceServer> {
  const { cert, key, api } = options;
  const server = createServer({ cert, key }, (request, response) => {
    answer(options, request, response).catch((error: unknown) => send(response, 500, String(error)));
  });
  await new Promise<void>((open) => server.listen(0, '127.0.0.1', open));
  const { port } = server.address() as AddressInfo;
  await register(api, port);
  return { port, close: () => close(server) };
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
}

/** A Service that leads to this host: an API server outside a cluster has no network of pods. */
async function register(api: ApiServer, port: number): Promise<void> {
  const service = { group: '', version: 'v1', plural: 'services', kind: 'Service', namespaced: true };
  const apiService = {
    group: 'apiregistration.k8s.io',
    version: 'v1',
    plural: 'apiservices',
    kind: 'APIService',
    namespaced: false,
  };
  const options = { fieldManager: SIMULATOR_FIELD_MANAGER };
  await api.apply(
    service,
    {
      metadata: { namespace: 'default', name: 'virt-api' },
      spec: { type: 'ExternalName', externalName: 'localhost', ports: [{ port }] },
    },
    options,
  );
  await api.apply(
    apiService,
    {
      metadata: { name: `v1.${GROUP}` },
      spec: {
        group: GROUP,
        version: 'v1',
        insecureSkipTLSVerify: true,
        groupPriorityMinimum: 1_000,
        versionPriority: 15,
        service: { namespace: 'default', name: 'virt-api', port },
      },
    },
    options,
  );
}

async function answer(
  { api, controller }: SubresourceServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { pathname } = new URL(request.url ?? '/', 'https://localhost');
  const [, namespace, ofMachine, onMachine, ofInstance, onInstance] = PATH.exec(pathname) ?? [];
  const name = ofMachine ?? ofInstance;
  if (request.method !== 'PUT' || namespace === undefined || name === undefined) {
    const found = own(DISCOVERY, pathname);
    return found ? sendJson(response, 200, found) : send(response, 404, 'not found');
  }
  const body = await bodyOf(request);
  const key = { namespace, name };
  const object = await api.get(RESOURCES.kubevirtMachines, key);
  const vm = object && trimMachine(object);
  const fault = vm && faultOf(vm);
  if (fault) return send(response, ...fault);
  const instance = await api.get(RESOURCES.kubevirtInstances, key);
  const action = (onMachine ?? onInstance) as SubresourceAction;
  const answered = answerAction(action, body, vm, instance && trimInstance(instance));
  try {
    await write(api, key, answered);
  } catch (error: unknown) {
    // What has changed or gone since it was read is answered as if it had been read a moment later.
    const isStale = error instanceof KubernetesError && (error.isConflict || error.isNotFound);
    return send(response, isStale ? 409 : 500, String(error));
  }
  if (answered.code < 300 && vm) noteDeed(controller(), action, vm);
  if (answered.message !== undefined) return send(response, answered.code, answered.message);
  response.writeHead(answered.code).end();
}

function faultOf(vm: KubevirtMachine): [number, string] | undefined {
  if (hasFault(vm, 'SubresourceUnavailable')) return [503, 'virt-api is unavailable'];
  return hasFault(vm, 'SubresourceConflict') ? [409, 'the object has been modified'] : undefined;
}

async function write(
  api: ApiServer,
  key: { namespace: string; name: string },
  { machine, machineStatus, instance }: ReturnType<typeof answerAction>,
): Promise<void> {
  if (instance) await api.merge(RESOURCES.kubevirtInstances, key, instance);
  if (machine) await api.merge(RESOURCES.kubevirtMachines, key, machine);
  if (machineStatus) {
    const options = { subresource: 'status' } as const;
    await api.merge(RESOURCES.kubevirtMachines, key, { status: machineStatus }, options);
  }
}

function noteDeed(controller: KubevirtController, action: SubresourceAction, vm: KubevirtMachine): void {
  const effect = action === 'pause' ? 'Suspended' : action === 'unpause' ? 'PoweredOn' : undefined;
  if (!effect) return;
  controller.began(vm, effect);
  controller.effect(vm, effect);
}

/** Without these answers the APIService stays unavailable. */
const DISCOVERY: Record<string, object | undefined> = {
  [ROOT]: {
    kind: 'APIGroup',
    apiVersion: 'v1',
    name: GROUP,
    versions: [{ groupVersion: `${GROUP}/v1`, version: 'v1' }],
    preferredVersion: { groupVersion: `${GROUP}/v1`, version: 'v1' },
  },
  [`${ROOT}/v1/version`]: { gitVersion: 'v0.0.0-stand-in', gitTreeState: 'clean', platform: 'linux/amd64' },
  [`${ROOT}/v1`]: {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: `${GROUP}/v1`,
    resources: [
      ...['start', 'stop', 'restart'].map((action) => resource('virtualmachines', action)),
      ...['pause', 'unpause'].map((action) => resource('virtualmachineinstances', action)),
    ],
  },
};

function resource(plural: string, action: string): object {
  return { name: `${plural}/${action}`, singularName: '', namespaced: true, kind: '', verbs: ['update'] };
}

async function bodyOf(request: IncomingMessage): Promise<{ gracePeriod?: unknown }> {
  let text = '';
  for await (const chunk of request as AsyncIterable<Buffer>) {
    text += chunk.toString();
    if (text.length > MAX_BODY) throw new Error('the body is too large');
  }
  return fieldsOf(text.trim() === '' ? {} : JSON.parse(text));
}

/** The `Status` of an API server. */
function send(response: ServerResponse, code: number, message: string): void {
  const reason = code === 409 ? 'Conflict' : code === 403 ? 'Forbidden' : '';
  sendJson(response, code, { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message });
}

function sendJson(response: ServerResponse, code: number, value: object): void {
  response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}
