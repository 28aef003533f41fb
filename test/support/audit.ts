/** The audit log of an API server: who asked for what, and was refused. */
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

/** What a user has asked for so far. */
export function requestsOf(dir: string, username: string): Requested[] {
  return readFileSync(logOf(dir), 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as AuditLine)
    .filter(({ user, objectRef }) => user.username === username && objectRef !== undefined)
    .map(({ verb, objectRef, responseStatus }) => ({
      grant: `${verb} ${objectRef?.apiGroup}/${[objectRef?.resource, objectRef?.subresource].filter(Boolean).join('/')}`,
      refused: responseStatus?.code === 403,
    }));
}

interface AuditLine {
  verb: string;
  user: { username: string };
  objectRef?: { apiGroup?: string; resource: string; subresource?: string };
  responseStatus?: { code: number };
}

function logOf(dir: string): string {
  return path.join(dir, 'audit.log');
}
