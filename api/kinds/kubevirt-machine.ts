/** VirtualMachine of KubeVirt: which group it is in. All else is KubeVirt's, and left to it. */
import { z } from 'zod';
import { own } from '../own';
import type { VirtualMachine } from '../model';
import { nonEmpty, present, type Convert } from './convert';
import { isName, looseMetadata } from './fields';
import { namedPlatform } from './virtual-machine';

/** Label, or for names of more than 63 characters annotation, with the group of a VM of KubeVirt: its spec has no place for that. */
export const GROUP_LABEL = 'vmgroup.dev/group';

/** A `VirtualMachine` of kubevirt.io/v1. */
export const kubevirtMachineSchema = z.looseObject({
  apiVersion: z.string(),
  kind: z.literal('VirtualMachine'),
  metadata: looseMetadata,
  spec: z.looseObject({}).optional(),
});

/** The internal form. The scheduler of the cluster places the VM, by rules of its own. */
export const convertKubevirtMachine: Convert<z.infer<typeof kubevirtMachineSchema>, VirtualMachine> = (
  _written,
  meta,
  report,
) => {
  const labelled = nonEmpty(own(meta.labels, GROUP_LABEL));
  const groupName = labelled ?? nonEmpty(own(meta.annotations, GROUP_LABEL));
  if (groupName !== undefined && !isName(groupName)) {
    const at = labelled === undefined ? 'annotations' : 'labels';
    const shown = JSON.stringify(groupName.slice(0, 100));
    report(
      ['metadata', at, GROUP_LABEL],
      `invalid name of a group ${shown}: write metadata.name of a VirtualMachineGroup`,
    );
  }
  return { ...meta, affinity: [], ...present({ groupName }), ...namedPlatform(meta, report) };
};
