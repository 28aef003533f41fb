/** Operator commands as objects of a cluster: who may give them, and how they are carried out. */
export {
  refusalOfCommand,
  commandRights,
  type AdmissionUser,
  type CommandAccess,
  type CommandAttributes,
} from './command-rights';
export { commandRuns, type CommandRuns } from './command-runs';
export { OperatorCommands, type OperatorCommandsOptions } from './operator-commands';
export { trimCommand, type CommandObject } from './command-object';
