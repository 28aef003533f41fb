/** The audit log of an API server: who asked for what, and was refused; and how often each object was written. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** A request as it counts for RBAC. */
export interface Requested {
  /** `patch vmoperator.vmware.com/virtualmachinegroups/status`. */
  grant: string;
  refused: boolean;
}

/** Arguments of an API server that writes its audit log into a folder. */
export function auditArguments(dir: string): string[] {
  const policy = path.join(dir, 'audit-policy.yaml');
  writeFileSync(
    policy,
    'apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules:\n- level: Metadata\n',
  );
  return ['--audit-policy-file', policy, '--audit-log-path', logOf(dir)];
}

/** A request about one object. */
export interface ObjectRequest {
  /** `get`, `patch`, `update`, ... */
  verb: string;
  /** Plural, and `/status` where that is what it is about. */
  resource: string;
  namespace: string;
  name: string;
  /** Whose fields were written; empty where the request does not say. */
  fieldManager: string;
  /** HTTP status of the answer. */
  code: number;
}

/** Every request about single objects so far, from any user. */
export function objectRequests(dir: string): ObjectRequest[] {
  return linesOf(dir).flatMap(({ verb, objectRef, requestURI, responseStatus }) => {
    const { resource = '', subresource, namespace = '', name } = objectRef ?? {};
    if (name === undefined) return [];
    return {
      verb,
      namespace,
      name,
      code: responseStatus?.code ?? 0,
      resource: subresource === undefined ? resource : `${resource}/${subresource}`,
      fieldManager: new URL(requestURI, 'http://server').searchParams.get('fieldManager') ?? '',
    };
  });
}

/** What a user has asked for so far. */
export function requestsOf(dir: string, username: string): Requested[] {
  return linesOf(dir)
    .filter(({ user, objectRef }) => user.username === username && objectRef !== undefined)
    .map(({ verb, objectRef, responseStatus }) => ({
      grant: `${verb} ${objectRef?.apiGroup}/${[objectRef?.resource, objectRef?.subresource].filter(Boolean).join('/')}`,
      refused: responseStatus?.code === 403,
    }));
}

interface AuditLine {
  verb: string;
  requestURI: string;
  user: { username: string };
  objectRef?: {
    apiGroup?: string;
    resource: string;
    subresource?: string;
    namespace?: string;
    name?: string;
  };
  responseStatus?: { code: number };
}

function linesOf(dir: string): AuditLine[] {
  const lines = readFileSync(logOf(dir), 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as AuditLine);
}

function logOf(dir: string): string {
  return path.join(dir, 'audit.log');
}
