/**
 * Gate `Probe` with a real server behind it: a database that opens its port late, one that never does, and a VM that was on before.
 *
 * Guarantees: G8.
 */
import { createServer, type Server } from 'node:net';
import type { MemberProgress } from '../../contract';
import { groupWithVms, policyManifest } from '../support/manifests';
import { accepted, effects, startSystem, type System } from '../support/system';
import { startTemporal, type TestTemporal } from '../support/temporal';
import { beginTogether, endedTogether, together } from '../support/together';
import { freePort } from '../support/ports';

jest.setTimeout(180_000);

let temporal: TestTemporal;
let system: System;

beforeAll(async () => {
  temporal = await startTemporal();
  system = await startSystem(temporal, {}, {}, { guests: [{ address: '127.0.0.1' }] });
  beginTogether();
});
afterAll(async () => {
  await endedTogether();
  await system?.stop();
  await temporal?.stop();
});

function listen(port: number): Promise<Server> {
  const server = createServer((socket) => void socket.on('error', () => undefined));
  return new Promise((resolve) => server.listen(port, '127.0.0.1', () => resolve(server)));
}

/** A group of `db`, then `web`, where `db` is probed on the port. */
function write(
  namespace: string,
  port: number,
  policy: Record<string, unknown> = {},
  last: string[] = [],
): void {
  const members = [{ name: 'db', probe: { tcpSocket: { port } } }];
  system.write(`${namespace}-policy.yaml`, policyManifest(namespace, 'default', { members, ...policy }));
  const tiers = [{ members: ['db'] }, { members: ['web'] }, ...last.map((name) => ({ members: [name] }))];
  system.write(`${namespace}.yaml`, groupWithVms({ namespace, name: 'app', powerState: 'PoweredOn', tiers }));
}

function db(namespace: string, is: (db: MemberProgress) => boolean): Promise<MemberProgress> {
  return system.until(() => {
    const members = system.view(namespace, 'app')?.run?.progress?.members;
    return members?.find((member) => member.member === 'db' && is(member));
  }, `db of ${namespace}`);
}

const powered = async (namespace: string): Promise<string[]> => effects(await system.journal(), namespace);

describe('gate Probe', () => {
  together('a port that opens late releases the next tier; until then the last answer is shown', async () => {
    const port = await freePort();
    write('late', port);
    const refused = `tcp 127.0.0.1:${port}: connection refused`;
    const waiting = await db('late', ({ waitsFor }) => waitsFor?.includes(refused) === true);
    expect(waiting).toMatchObject({ phase: 'InProgress', waitsFor: `PoweredOn and its probe (${refused})` });
    const ready = (): string | undefined =>
      system.view('late', 'app')?.status.conditions.find(({ type }) => type === 'Ready')?.message;
    await system.until(() => ready()?.includes(refused), 'the condition Ready to say so');
    expect(await powered('late')).toEqual(['PoweredOn db']);
    const server = await listen(port);
    try {
      expect(await system.outcome('late', 'app')).toMatchObject({ outcome: 'Converged', exceptions: [] });
    } finally {
      server.close();
    }
    expect(await powered('late')).toEqual(['PoweredOn db', 'PoweredOn web']);
    // The port is closed again, and that is no reason for another run.
    expect(system.view('late', 'app')).toMatchObject({ phase: 'Converged' });
  });

  together(
    'a probe that never succeeds parks its member with the last answer, and a retry lets the run continue',
    async () => {
      const port = await freePort();
      write('never', port, { gateTimeout: '2s' });
      const { lastError } = await db('never', ({ phase }) => phase === 'Parked');
      expect(lastError).toMatchObject({
        class: 'GateTimeout',
        message: expect.stringMatching(
          new RegExp(
            `VM never/db is powered on and its probe did not succeed within 2 s; last answer: tcp 127.0.0.1:${port}: connection refused$`,
          ),
        ) as string,
      });
      expect(await powered('never')).toEqual(['PoweredOn db']);
      const server = await listen(port);
      try {
        await system.say('never', 'app', 'retryMember', 'db');
        expect(await system.outcome('never', 'app')).toMatchObject({ outcome: 'Converged' });
      } finally {
        server.close();
      }
      expect(accepted(await system.journal(), 'never')).toEqual(['PoweredOn db', 'PoweredOn web']);
    },
  );

  together('a VM that is on when a run starts is probed before its tier counts as done', async () => {
    const port = await freePort();
    write('before', port, { members: [{ name: 'db', gate: 'PoweredOn' }] });
    const { endedAt } = await system.outcome('before', 'app');
    // A new member starts a run, which finds the others on.
    write('before', port, {}, ['late']);
    await db('before', ({ waitsFor }) => waitsFor?.includes('connection refused') === true);
    expect(await powered('before')).toEqual(['PoweredOn db', 'PoweredOn web']);
    const server = await listen(port);
    try {
      expect(await system.outcome('before', 'app', endedAt)).toMatchObject({ outcome: 'Converged' });
    } finally {
      server.close();
    }
    expect(accepted(await system.journal(), 'before')).toEqual([
      'PoweredOn db',
      'PoweredOn web',
      'PoweredOn late',
    ]);
  });
});
