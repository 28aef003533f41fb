/** Which datastore each VM gets. What its disks take is not known here, so VMs are dealt out in proportion to free space. */
import type { Model } from '../model';

/** By VM; undefined where the problem names no datastores. */
export function chooseDatastores(
  model: Model,
  spotOf: Int32Array,
): ({ name: string; id?: string } | undefined)[] {
  const { datastores } = model.problem;
  const dealt = new Float64Array(datastores.length);
  return model.problem.vms.map((_, vm) => {
    const zone = model.zones[model.spots[spotOf[vm]!]!.zone]!;
    let best = -1;
    for (const [at, { zones, free }] of datastores.entries()) {
      if (free <= 0 || !zones.includes(zone)) continue;
      if (best === -1 || (dealt[at]! + 1) / free < (dealt[best]! + 1) / datastores[best]!.free) best = at;
    }
    const chosen = datastores[best];
    if (!chosen) return undefined;
    dealt[best]! += 1;
    return { name: chosen.name, ...(chosen.id !== undefined && { id: chosen.id }) };
  });
}
