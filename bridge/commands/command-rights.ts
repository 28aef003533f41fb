/** Who may give which command: the API server decides, as for every other verb. */
import {
  OPERATOR_COMMAND_RIGHTS,
  readOperatorCommand,
  type AdmissionRequest,
  type OperatorRight,
} from '../../api';
import { RESOURCES, type ApiServer, type KubernetesObject } from '../../kubernetes';

/** The user of an admission request. */
export interface AdmissionUser {
  username: string;
  uid?: string;
  groups: string[];
  extra?: Record<string, string[]>;
}

/** What a command needs a right for. */
export interface CommandAttributes {
  /** Verb of RBAC on `operatorcommands`. */
  verb: OperatorRight;
  namespace: string;
  /** Name of the group: rights can be limited to groups, as `resourceNames`. */
  group: string;
}

/** The answer of an API server. */
export interface CommandAccess {
  allowed: boolean;
  /** Why, where the server says. */
  why?: string;
}

/** Milliseconds that an API server has to answer; it waits for the webhook for 5 s. */
const TIMEOUT = 4_000;

/** Asks an API server by SubjectAccessReview. Rejects with a `KubernetesError`. */
export function commandRights(
  api: ApiServer,
): (user: AdmissionUser, command: CommandAttributes) => Promise<CommandAccess> {
  return async ({ username, uid, groups, extra }, { verb, namespace, group }) => {
    const { group: apiGroup, version, plural } = RESOURCES.operatorCommands;
    const review = {
      metadata: {},
      spec: {
        user: username,
        groups,
        ...(uid !== undefined && { uid }),
        ...(extra && { extra }),
        resourceAttributes: { verb, namespace, name: group, group: apiGroup, version, resource: plural },
      },
    } as unknown as KubernetesObject;
    const { status } = await api.create(RESOURCES.subjectAccessReviews, review, { timeout: TIMEOUT });
    const { allowed, denied, reason } = (status ?? {}) as {
      allowed?: boolean;
      denied?: boolean;
      reason?: string;
    };
    return { allowed: allowed === true && denied !== true, ...(reason && { why: reason }) };
  };
}

/** Why a command is refused at admission; undefined: it is not. What is malformed is left to the schema of the API server. */
export async function refusalOfCommand(
  { operation, object, namespace, user }: AdmissionRequest & { namespace: string; user: AdmissionUser },
  mayCommand: ((user: AdmissionUser, command: CommandAttributes) => Promise<CommandAccess>) | undefined,
): Promise<string | undefined> {
  if (operation !== 'CREATE' || !mayCommand) return undefined;
  const read = readOperatorCommand((object as { spec?: unknown } | null | undefined)?.spec);
  if ('problem' in read) return undefined;
  const { command, group } = read.spec;
  const verb = OPERATOR_COMMAND_RIGHTS[command];
  const { allowed, why } = await mayCommand(user, { verb, namespace, group });
  if (allowed) return undefined;
  return (
    `user "${user.username}" cannot ${command} in group ${namespace}/${group}: that needs the verb ${verb} on ` +
    `operatorcommands.vmgroup.dev${why ? ` (${why})` : ''}; ask for the ClusterRole vmgroup-operator-${verb}`
  );
}
