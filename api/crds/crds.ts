/**
 * The CustomResourceDefinitions, generated from the schemas.
 *
 * CRD-1: every served version has the same schema, which takes both spellings: a conversion changes nothing but `apiVersion`.
 * CRD-2: no field of a VM or class is dropped; unknown fields of groups and policies are.
 * CRD-3: the API server refuses what it can check by itself, with the messages of `validate`.
 * CRD-4: a rule between fields refuses new objects and changes only: an object that was stored before keeps its status.
 */
import { z } from 'zod';
import {
  operatorCommandStatusSchema,
  virtualMachineGroupStatusSchema,
  virtualMachineStatusSchema,
} from './resource-status';
import {
  operatorCommandSchema,
  sequencePolicySchema,
  virtualMachineClassSchema,
  virtualMachineGroupSchema,
  virtualMachineSchema,
  VM_OPERATOR,
  VMGROUP,
} from '../kinds';
import { structuralSchema, withoutKeywords, type StructuralSchema } from './structural';

/** A column of `kubectl get`. */
interface Column {
  name: string;
  type: 'string' | 'integer' | 'date';
  jsonPath: string;
  description?: string;
  /** 1: only in `-o wide`. */
  priority?: 1;
}

/** A CustomResourceDefinition of apiextensions.k8s.io/v1: what of it we set. */
export interface CustomResourceDefinition {
  apiVersion: 'apiextensions.k8s.io/v1';
  kind: 'CustomResourceDefinition';
  metadata: { name: string };
  spec: {
    group: string;
    scope: 'Namespaced';
    names: {
      kind: string;
      listKind: string;
      plural: string;
      singular: string;
      shortNames: string[];
      categories: string[];
    };
    conversion: { strategy: 'None' };
    versions: {
      name: string;
      served: true;
      storage: boolean;
      schema: { openAPIV3Schema: StructuralSchema };
      subresources?: { status: Record<string, never> };
      additionalPrinterColumns: Column[];
    }[];
  };
}

interface Definition {
  kind: string;
  plural: string;
  shortName: string;
  of: { apiGroup: string; versions: readonly string[] };
  description: string;
  schema: z.ZodObject;
  /** In the place of what the schema has for manifests. With one, `status` is a subresource. */
  status?: z.ZodType;
  columns: Column[];
}

const age: Column = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' };

const definitions: Definition[] = [
  {
    kind: 'VirtualMachineGroup',
    plural: 'virtualmachinegroups',
    shortName: 'vmg',
    of: VM_OPERATOR,
    description: 'VMs that are started, stopped and suspended together, in order.',
    schema: virtualMachineGroupSchema,
    status: virtualMachineGroupStatusSchema,
    columns: [
      { name: 'Desired', type: 'string', jsonPath: '.spec.powerState', description: 'Power state wanted.' },
      { name: 'Phase', type: 'string', jsonPath: '.status.phase', description: 'Where the group stands.' },
      {
        name: 'Ready',
        type: 'string',
        jsonPath: '.status.readyMembers',
        description: 'Members in the desired state, of all.',
      },
      {
        name: 'Converged',
        type: 'string',
        jsonPath: '.status.conditions[?(@.type=="Ready")].status',
        description: 'The condition Ready: every member is in the desired state.',
      },
      age,
      { name: 'Message', type: 'string', jsonPath: '.status.message', priority: 1 },
      { name: 'Run', type: 'string', jsonPath: '.status.run.runId', priority: 1 },
    ],
  },
  {
    kind: 'VirtualMachine',
    plural: 'virtualmachines',
    shortName: 'vm',
    of: VM_OPERATOR,
    description: 'A virtual machine.',
    schema: virtualMachineSchema,
    status: virtualMachineStatusSchema,
    columns: [
      { name: 'Desired', type: 'string', jsonPath: '.spec.powerState', description: 'Power state wanted.' },
      { name: 'Power-State', type: 'string', jsonPath: '.status.powerState' },
      { name: 'Zone', type: 'string', jsonPath: '.status.zone' },
      { name: 'Group', type: 'string', jsonPath: '.spec.groupName' },
      age,
      { name: 'Node', type: 'string', jsonPath: '.status.nodeName', priority: 1 },
      { name: 'Class', type: 'string', jsonPath: '.spec.className', priority: 1 },
    ],
  },
  {
    kind: 'VirtualMachineClass',
    plural: 'virtualmachineclasses',
    shortName: 'vmclass',
    of: VM_OPERATOR,
    description: 'What a VM of the class asks of a host.',
    schema: virtualMachineClassSchema,
    status: z.looseObject({}).describe('Observed state of the class.'),
    columns: [
      { name: 'CPU', type: 'string', jsonPath: '.spec.hardware.cpus' },
      { name: 'Memory', type: 'string', jsonPath: '.spec.hardware.memory' },
      age,
    ],
  },
  {
    kind: 'SequencePolicy',
    plural: 'sequencepolicies',
    shortName: 'seqpol',
    of: VMGROUP,
    description:
      "How a group's runs behave where VirtualMachineGroup has no field for it. A group names its policy in the annotation " +
      '`vmgroup.dev/policy`; otherwise the policy named `default` in its namespace applies.',
    schema: sequencePolicySchema,
    columns: [
      { name: 'Gate', type: 'string', jsonPath: '.spec.gate' },
      { name: 'When-Parked', type: 'string', jsonPath: '.spec.whenParked' },
      { name: 'Drift', type: 'string', jsonPath: '.spec.drift.action' },
      age,
    ],
  },
  {
    kind: 'OperatorCommand',
    plural: 'operatorcommands',
    shortName: 'opcmd',
    of: VMGROUP,
    description:
      'A command to the open run of a group, carried out once and removed some time later. Who may give which command is decided by RBAC: ' +
      'the verbs `retry`, `pause`, `override` and `abort` on operatorcommands.',
    schema: operatorCommandSchema,
    status: operatorCommandStatusSchema,
    columns: [
      { name: 'Group', type: 'string', jsonPath: '.spec.group' },
      { name: 'Command', type: 'string', jsonPath: '.spec.command' },
      { name: 'Member', type: 'string', jsonPath: '.spec.member' },
      {
        name: 'Phase',
        type: 'string',
        jsonPath: '.status.phase',
        description: 'Whether it was carried out.',
      },
      { name: 'Actor', type: 'string', jsonPath: '.status.actor', description: 'Who gave it.' },
      age,
      { name: 'Message', type: 'string', jsonPath: '.status.message', priority: 1 },
    ],
  },
];

/** Every CustomResourceDefinition, in the order in which people meet them. */
export function crds(): CustomResourceDefinition[] {
  return definitions.map(toDefinition);
}

function toDefinition({
  kind,
  plural,
  shortName,
  of,
  columns,
  ...rest
}: Definition): CustomResourceDefinition {
  const stored = of.versions.at(-1);
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${of.apiGroup}` },
    spec: {
      group: of.apiGroup,
      scope: 'Namespaced',
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: kind.toLowerCase(),
        shortNames: [shortName],
        categories: ['vmgroup'],
      },
      conversion: { strategy: 'None' },
      versions: of.versions.map((name) => ({
        name,
        served: true,
        storage: name === stored,
        schema: { openAPIV3Schema: rootSchema(rest) },
        ...(rest.status && { subresources: { status: {} } }),
        additionalPrinterColumns: columns,
      })),
    },
  };
}

const typeMeta = {
  apiVersion: { type: 'string', description: 'Version of the schema that this object is written in.' },
  kind: { type: 'string', description: 'Kind of this object.' },
  metadata: { type: 'object' },
};

/** An API server has its own schema of `metadata`, and keeps no unknown fields next to `spec` and `status`. */
function rootSchema({
  schema,
  status,
  description,
}: Pick<Definition, 'schema' | 'status' | 'description'>): StructuralSchema {
  const root = structuralSchema(schema);
  const required = (root['required'] as string[]).filter((name) => !Object.hasOwn(typeMeta, name));
  return {
    ...withoutKeywords(root, ['x-kubernetes-preserve-unknown-fields', 'required']),
    description,
    properties: { ...root.properties, ...typeMeta, ...(status && { status: structuralSchema(status) }) },
    ...(required.length > 0 && { required }),
  };
}
