/* eslint-disable @typescript-eslint/no-require-imports -- each of these takes up to hundreds of milliseconds to load */
/** Modules that are slow to load. A command loads them when it first uses them, so that others need not wait for them. */
import type * as Client from '@temporalio/client';
import type * as Board from '../board';
import type * as Bridge from '../bridge';
import type * as Plans from '../bridge/plans';
import type * as Status from '../bridge/status';
import type * as Contract from '../contract';
import type * as Encryption from '../encryption';
import type * as Kubevirt from '../platforms/kubevirt';
import type * as Kubernetes from '../kubernetes';
import type * as Libvirt from '../platforms/libvirt';
import type * as Placement from '../placement';
import type * as Platforms from '../platforms';
import type * as Record from '../record';
import type * as Simulated from '../platforms/simulated';
import type * as Simulator from '../simulator';
import type * as VmOperator from '../platforms/vm-operator';
import type * as Vsphere from '../platforms/vsphere';
import type * as Tracing from '../worker/tracing';
import type * as Worker from '../worker';
import type * as Workflows from '../workflows';
import type * as Yaml from './output/yaml';

/** The worker, and connections to Temporal. */
export const worker = (): typeof Worker => require('../worker') as typeof Worker;
/** Traces. */
export const tracing = (): typeof Tracing => require('../worker/tracing') as typeof Tracing;
/** The messages of runs. */
export const contract = (): typeof Contract => require('../contract') as typeof Contract;
/** Encryption of payloads. */
export const encryption = (): typeof Encryption => require('../encryption') as typeof Encryption;
/** The page that shows a failover. */
export const board = (): typeof Board => require('../board') as typeof Board;
/** The bridge, and what it asks Temporal. */
export const bridge = (): typeof Bridge => require('../bridge') as typeof Bridge;
/** From manifests to plans. */
export const plans = (): typeof Plans => require('../bridge/plans') as typeof Plans;
/** What a bridge has written of its groups. */
export const status = (): typeof Status => require('../bridge/status') as typeof Status;
/** The client of an API server. */
export const kubernetes = (): typeof Kubernetes => require('../kubernetes') as typeof Kubernetes;
/** The placement solver. */
export const placement = (): typeof Placement => require('../placement') as typeof Placement;
/** The shared watch of a platform. */
export const platforms = (): typeof Platforms => require('../platforms') as typeof Platforms;
/** The simulated platform itself. */
export const simulator = (): typeof Simulator => require('../simulator') as typeof Simulator;
/** The clients of the simulated platform. */
export const simulated = (): typeof Simulated => require('../platforms/simulated') as typeof Simulated;
/** VM Operator as a platform. */
export const vmOperator = (): typeof VmOperator => require('../platforms/vm-operator') as typeof VmOperator;
/** KubeVirt as a platform. */
export const kubevirt = (): typeof Kubevirt => require('../platforms/kubevirt') as typeof Kubevirt;
/** vSphere as a platform. */
export const vsphere = (): typeof Vsphere => require('../platforms/vsphere') as typeof Vsphere;
/** libvirt as a platform. */
export const libvirt = (): typeof Libvirt => require('../platforms/libvirt') as typeof Libvirt;
/** The planner. */
export const workflows = (): typeof Workflows => require('../workflows') as typeof Workflows;
/** The record. */
export const record = (): typeof Record => require('../record') as typeof Record;
/** Temporal's client. */
export const temporalClient = (): typeof Client => require('@temporalio/client') as typeof Client;
/** Output as YAML. */
export const yaml = (): typeof Yaml => require('./output/yaml') as typeof Yaml;
