/* eslint-disable @typescript-eslint/no-require-imports -- each of these takes hundreds of milliseconds to load, and `--help` needs none */
/** Parts that are slow to load, loaded by the commands that need them and when they need them. */
import type * as Bridge from '../bridge';
import type * as Kubernetes from '../kubernetes';
import type * as Placement from '../placement';
import type * as Platforms from '../platforms';
import type * as Simulated from '../platforms/simulated';
import type * as Simulator from '../simulator';
import type * as VmOperator from '../platforms/vm-operator';
import type * as Workflows from '../workflows';
import type * as Live from './live-display/display';
import type * as Messages from '../contract';
import type * as Worker from '../worker';
import type * as Client from '@temporalio/client';
import type * as Common from '@temporalio/common';
import type { temporal } from '@temporalio/proto';
import type * as Proto from '@temporalio/common/lib/proto-utils';

/** The worker, and connections to Temporal. */
export const worker = (): typeof Worker => require('../worker') as typeof Worker;
/** The messages of a run, as values. */
export const messages = (): typeof Messages => require('../contract') as typeof Messages;
/** The bridge, and what it has written. */
export const bridge = (): typeof Bridge => require('../bridge') as typeof Bridge;
/** The client of an API server. */
export const kubernetes = (): typeof Kubernetes => require('../kubernetes') as typeof Kubernetes;
/** The placement solver. */
export const placement = (): typeof Placement => require('../placement') as typeof Placement;
/** What a terminal shows while groups change. */
export const live = (): typeof Live => require('./live-display/display') as typeof Live;
/** The shared watch of a platform. */
export const platforms = (): typeof Platforms => require('../platforms') as typeof Platforms;
/** The simulated platform's process. */
export const simulator = (): typeof Simulator => require('../simulator') as typeof Simulator;
/** The simulated platform, to those who call it. */
export const simulated = (): typeof Simulated => require('../platforms/simulated') as typeof Simulated;
/** VMs that VM Operator keeps. */
export const vmOperator = (): typeof VmOperator => require('../platforms/vm-operator') as typeof VmOperator;
/** The planner. */
export const workflows = (): typeof Workflows => require('../workflows') as typeof Workflows;
/** Temporal's client. */
export const temporalClient = (): typeof Client => require('@temporalio/client') as typeof Client;
/** Histories to and from JSON. */
export const protoUtils = (): typeof Proto => require('@temporalio/common/lib/proto-utils') as typeof Proto;

/** The values in payloads, as the default converter reads them; one that it cannot read is undefined. */
export function decodePayloads(payloads: temporal.api.common.v1.IPayloads | null | undefined): unknown[] {
  const { defaultPayloadConverter } = require('@temporalio/common') as typeof Common;
  return (payloads?.payloads ?? []).map((payload) => {
    try {
      return defaultPayloadConverter.fromPayload(payload);
    } catch {
      return undefined;
    }
  });
}
