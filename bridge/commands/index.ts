/** Operator commands as objects of a cluster: who may give them, and how they are carried out. */
export {
  refusalOfCommand,
  commandRights,
  type AdmissionUser,
  type CommandAccess,
  type CommandAttributes,
} from './command-rights';
export { commandRuns } from './command-runs';
export { OperatorCommands } from './operator-commands';
export { trimCommand, type CommandObject } from './command-object';
