/** The schemas are declarative: a CRD can be generated from each. */
import { z } from 'zod';
import {
  sequencePolicySchema,
  simulatedInventorySchema,
  virtualMachineClassSchema,
  virtualMachineGroupSchema,
  virtualMachineSchema,
} from '../../api';

interface JsonSchema {
  description?: string;
  properties?: Record<string, JsonSchema>;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
}

/** Paths of fields without a description. */
function undescribed(schema: JsonSchema, path: string): string[] {
  const fields = Object.entries(schema.properties ?? {}).flatMap(([name, field]) => [
    ...(field.description === undefined ? [`${path}.${name}`] : []),
    ...undescribed(field, `${path}.${name}`),
  ]);
  const inner = [...(schema.items ? [schema.items] : []), ...(schema.anyOf ?? [])];
  return [...fields, ...inner.flatMap((one) => undescribed(one, `${path}[]`))];
}

describe.each([
  ['VirtualMachineGroup', virtualMachineGroupSchema],
  ['VirtualMachine', virtualMachineSchema],
  ['VirtualMachineClass', virtualMachineClassSchema],
  ['SequencePolicy', sequencePolicySchema],
  ['SimulatedInventory', simulatedInventorySchema],
])('%s', (_, schema) => {
  const json = z.toJSONSchema(schema) as JsonSchema;

  test('every field of the spec says what it means', () => {
    const spec = json.properties?.['spec'];
    expect(Object.keys(spec?.properties ?? {}).length).toBeGreaterThan(0);
    expect(spec ? undescribed(spec, 'spec') : ['spec']).toEqual([]);
  });
});
