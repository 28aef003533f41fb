/** The event of an answered `OperatorCommand`. Pure. */
import type { OperatorCommandSpec } from '../../api';
import { groupObject, type Happening } from './event';

/** The parts of a command that its event describes. */
interface GivenCommand {
  namespace: string;
  metadata: { name: string };
  read: { spec: OperatorCommandSpec } | { problem: string };
}

/** On the group; on the object itself if it names none. */
export function commandEvent(
  { namespace, metadata: { name }, read }: GivenCommand,
  {
    phase,
    message = '',
    actor = 'unknown',
    actorKnown,
  }: { phase: string; message?: string; actor?: string; actorKnown?: boolean },
): Happening {
  const spec = 'spec' in read ? read.spec : undefined;
  const what = spec ? [spec.command, ...(spec.member === undefined ? [] : [spec.member])].join(' ') : name;
  const reason = spec ? ` (${spec.reason})` : '';
  return {
    type: phase === 'Done' ? 'Normal' : 'Warning',
    reason: 'OperatorCommand',
    object: spec
      ? groupObject({ namespace, name: spec.group })
      : { kind: 'OperatorCommand', namespace, name },
    message: `${actor}${actorKnown ? '' : ' (claimed)'}: ${what}${reason}: ${phase}: ${message}`,
  };
}
