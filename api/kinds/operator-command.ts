/** OperatorCommand: an operator command as an object, so that Kubernetes decides who may give it. */
import { z } from 'zod';
import { fields, metadata, name } from './fields';
import { serverRules } from './server-checks';

/** The commands, with the verb of RBAC on `operatorcommands` that each needs. */
export const OPERATOR_COMMAND_RIGHTS = {
  retry: 'retry',
  pause: 'pause',
  resume: 'pause',
  skip: 'override',
  'mark-ready': 'override',
  'skip-delay': 'override',
  answer: 'override',
  abort: 'abort',
} as const;

/** Name of a command. */
export type OperatorCommandName = keyof typeof OPERATOR_COMMAND_RIGHTS;
/** Verb of RBAC on `operatorcommands`. */
export type OperatorRight = (typeof OPERATOR_COMMAND_RIGHTS)[OperatorCommandName];

const NAMES = Object.keys(OPERATOR_COMMAND_RIGHTS) as [OperatorCommandName, ...OperatorCommandName[]];

/** Seconds that a finished command is kept where it does not say. */
export const DEFAULT_COMMAND_TTL = 86_400;
/** Most seconds that it can ask for: a week. */
const LONGEST_TTL = 604_800;

/** Bytes of UTF-8 are limited by runs: a character takes four at most. */
const text = (length: number) => z.string().min(1).max(length);

const NEEDS_MEMBER = "['skip', 'mark-ready', 'answer'].exists(each, each == self.command)";
const NAMES_NONE = "['pause', 'resume', 'skip-delay', 'abort'].exists(each, each == self.command)";

const spec = fields({
  group: name.describe('Name of the group, in the namespace of this object.'),
  command: z.enum(NAMES).describe('The command.'),
  member: text(253)
    .regex(/^((VirtualMachine|VirtualMachineGroup)\/)?[a-z0-9][-a-z0-9.]*$/)
    .optional()
    .describe('Name of a VM, or `Kind/name`. `retry` without one tries all members again.'),
  choice: text(250).optional().describe('With `answer`: key or label of the choice.'),
  reason: text(250).describe('Why; on record with the run.'),
  actor: text(250)
    .optional()
    .describe('Who, as a claim. Not read where the admission webhook stamps the authenticated user.'),
  ttlSecondsAfterFinished: z
    .int()
    .min(0)
    .max(LONGEST_TTL)
    .optional()
    .describe('Seconds after which the finished object is removed; default a day, at most a week.'),
}).meta(
  serverRules(
    { rule: 'self == oldSelf', message: 'is a command that was given: create another object' },
    { rule: `!${NEEDS_MEMBER} || has(self.member)`, message: 'this command needs a member' },
    { rule: `!${NAMES_NONE} || !has(self.member)`, message: 'this command takes no member' },
    {
      rule: "(self.command == 'answer') == has(self.choice)",
      message: 'answer needs a choice, and no other command takes one',
    },
  ),
);

/** An `OperatorCommand` of vmgroup.dev/v1alpha1. */
export const operatorCommandSchema = fields({
  apiVersion: z.string(),
  kind: z.literal('OperatorCommand'),
  metadata,
  spec: spec.describe('The command. It cannot be changed.'),
});

/** What an `OperatorCommand` asks for. */
export type OperatorCommandSpec = z.infer<typeof spec>;

/** The spec of an object, or why it cannot be read. An API server has checked it, unless its definition is of another version. */
export function readOperatorCommand(written: unknown): { spec: OperatorCommandSpec } | { problem: string } {
  const { success, data, error } = spec.safeParse(written);
  if (success) return { spec: data };
  const [{ path, message }] = error.issues as [z.core.$ZodIssue];
  return { problem: path.length > 0 ? `spec.${path.join('.')}: ${message}` : message };
}
