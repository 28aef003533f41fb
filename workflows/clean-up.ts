/**
 * The run that clears up after one that was ended from outside: it asks for nothing, gives promised places back, and puts on record who ended
 * that run. Pure.
 *
 * CLEAN-UP-1: it ends without a power operation, unless it is sent another desired state or an operator asks: then it continues like any run.
 * CLEAN-UP-2: it gives back what the run before may have been promised: the places of all VMs of the tree. The platform keeps those of VMs that
 *     exist or that were asked for power.
 */
import { machinesOf, type CleanUp, type Plan } from '../contract';
import { fitText } from '../api/text';
import { begin } from './plans';
import { end, MESSAGE_BYTES, remember, type Claims, type Run } from './state';

/** A run that only clears up. */
export function cleaningUp({ plan, digest, actor, reason, message }: CleanUp, now: number): Run {
  const begun = begin({ plan, cause: 'CleanUp', ...(digest !== undefined && { digest }) }, now);
  const claims = claimsOn(plan, now);
  const run: Run = {
    ...begun,
    ...(claims && { claims }),
    words: remember(begun.words, {
      verb: 'abort',
      actor: fitText(actor, MESSAGE_BYTES),
      reason: fitText(reason, MESSAGE_BYTES),
      at: now,
    }),
  };
  return end(run, 'Cancelled', message);
}

/** CLEAN-UP-2. */
function claimsOn(plan: Plan, now: number): Claims | undefined {
  if (plan.powerState !== 'PoweredOn' && plan.placesAhead !== true) return undefined;
  const machines = machinesOf(plan).filter(({ uid }) => uid !== undefined);
  if (machines.length === 0) return undefined;
  const vms: Claims['vms'] = {};
  const platforms: NonNullable<Claims['platforms']> = {};
  for (const { name, uid = '', platform } of machines) {
    vms[name] = uid;
    if (platform !== undefined) platforms[name] = platform;
  }
  return { sequence: now, vms, ...(Object.keys(platforms).length > 0 && { platforms }) };
}
