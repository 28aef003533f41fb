/**
 * A build as it was before plans told what affinity rules see of VMs, made of the present one: a copy of `dist` in which two modules stand
 * behind a wrapper. What the copy resolves has no `beside`, and members' requests have neither labels nor affinity: so its plans differ from
 * those of the present build in every group, in what is sent and in their digests. What it has sent it remembers without `wants`, and it
 * reads no `wants` that the present build has left in the status of a group.
 *
 * It stands for any two builds of which one does not know what the other one says. (A clone may have no history to build an old one from.)
 */
import { cpSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { buildWhenStale } from '../cli/vmgroup';

const root = path.join(__dirname, '../..');

const RESOLVE = `'use strict';
const present = require('./present-resolve');

function older(plan) {
  const { beside, ...known } = plan;
  return { ...known, tiers: plan.tiers.map((tier) => ({ ...tier, members: tier.members.map(member) })) };
}

function member({ requests, plan, ...known }) {
  const { labels, affinity, ...asked } = requests ?? {};
  const asks = asked.cpus > 0 || asked.memory > 0 || asked.zone !== undefined;
  return { ...known, ...(asks && { requests: asked }), ...(plan && { plan: older(plan) }) };
}

module.exports = {
  ...present,
  resolvePlan: (...given) => {
    const plan = present.resolvePlan(...given);
    return plan && older(plan);
  },
};
`;

const RECONCILE = `'use strict';
const present = require('./present-choose-send');

function remembered({ wants, ...known }) {
  return known;
}

module.exports = {
  ...present,
  chooseSend: (plan, { sent, ...facts }) => {
    const decision = present.chooseSend(plan, { ...facts, ...(sent && { sent: remembered(sent) }) });
    return { ...decision, ...(decision.sent && { sent: remembered(decision.sent) }) };
  },
};
`;

/** Makes the older build in a folder; returns its program, to be run with Node. */
export function olderBuild(dir: string): string {
  buildWhenStale();
  const copy = path.join(dir, 'older');
  cpSync(path.join(root, 'dist'), path.join(copy, 'dist'), { recursive: true });
  cpSync(path.join(root, 'package.json'), path.join(copy, 'package.json'));
  symlinkSync(path.join(root, 'node_modules'), path.join(copy, 'node_modules'));
  for (const [module, text] of [
    ['plans/resolve', RESOLVE],
    ['reconcile/choose-send', RECONCILE],
  ] as const) {
    const file = path.join(copy, `dist/bridge/${module}.js`);
    renameSync(file, path.join(path.dirname(file), `present-${path.basename(file)}`));
    writeFileSync(file, text);
  }
  return path.join(copy, 'dist/cli/main.js');
}
