/** VirtualMachineClass: the resources that a VM of the class requests. All other fields are kept as they are. */
import { z } from 'zod';
import type { Convert } from './convert';
import { looseMetadata, quantity } from './fields';
import type { VirtualMachineClass } from '../model';
import { parseQuantity } from './quantity';

/** A `VirtualMachineClass` of vmoperator.vmware.com, v1alpha1 to v1alpha6. */
export const virtualMachineClassSchema = z.looseObject({
  apiVersion: z.string(),
  kind: z.literal('VirtualMachineClass'),
  metadata: looseMetadata,
  spec: z
    .looseObject({
      hardware: z
        .looseObject({
          cpus: z.int().min(1).describe('Virtual CPUs.'),
          memory: quantity.describe('Memory, such as `16Gi`.'),
        })
        .describe('What a VM of this class asks of a host.'),
    })
    .describe('The class.'),
});

/** The internal form of a class. */
export const convertClass: Convert<z.infer<typeof virtualMachineClassSchema>, VirtualMachineClass> = (
  { spec },
  meta,
) => ({ ...meta, cpus: spec.hardware.cpus, memory: parseQuantity(spec.hardware.memory) });
