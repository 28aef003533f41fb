/** Loads client-node, which takes half a second and does not work with every Node.js. */
import type * as ClientNode from '@kubernetes/client-node';

/** The Node.js that the undici needs which npm installs with client-node, and the undici that works on an older one. */
const NODE_NEEDED = '22.19';
const UNDICI_FOR_OLDER_NODE = '{"undici": "^7.24.0"}';

/** client-node, or a package that it needs, cannot be loaded. */
export class ClientLoadError extends Error {
  override readonly name = 'ClientLoadError';
  constructor(
    message: string,
    /** What to do about it, one of these. */
    readonly remedies: string[],
    options: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** @throws ClientLoadError when it cannot be loaded: what has failed, and what to do. */
export function loadClientNode(): typeof ClientNode {
  try {
    return require('@kubernetes/client-node') as typeof ClientNode;
  } catch (error: unknown) {
    throw clientLoadError(error, process.versions.node);
  }
}

/** The error for a load that failed with `cause` on a version of Node.js, `20.19.0` for example. */
export function clientLoadError(cause: unknown, version: string): ClientLoadError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const failed = `cannot load the client of Kubernetes on Node.js ${version}`;
  if (version.localeCompare(NODE_NEEDED, 'en', { numeric: true }) >= 0) {
    const remedy = 'install vmgroup again: a package that it needs is missing or damaged';
    return new ClientLoadError(`${failed}: ${why}`, [remedy], { cause });
  }
  return new ClientLoadError(
    `${failed}: ${why}; the package undici that npm installs with it needs Node.js ${NODE_NEEDED} or newer`,
    [
      `use Node.js ${NODE_NEEDED} or newer`,
      `or add "overrides": ${UNDICI_FOR_OLDER_NODE} to the package.json of the project that installs vmgroup, ` +
        'delete its node_modules and package-lock.json, and run npm install',
    ],
    { cause },
  );
}
