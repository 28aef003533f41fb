/**
 * A platform that asks a question: an operator answers it, the policy does, or no one does and the member is parked.
 *
 * Guarantees: G8.
 */
import { operatorUpdates, type MemberProgress } from '../../contract';
import { groupWithVms, policyManifest } from '../support/manifests';
import { accepted, effects, startSystem, type System } from '../support/system';
import { startTemporal, type TestTemporal } from '../support/temporal';
import { beginTogether, endedTogether, together } from '../support/together';

jest.setTimeout(180_000);

let temporal: TestTemporal;
let system: System;

beforeAll(async () => {
  temporal = await startTemporal();
  system = await startSystem(temporal, {}, { faults: [{ type: 'Question' }] });
  beginTogether();
});
afterAll(async () => {
  await endedTogether();
  await system?.stop();
  await temporal?.stop();
});

function write(namespace: string, policy: Record<string, unknown> = {}): void {
  system.write(`${namespace}-policy.yaml`, policyManifest(namespace, 'default', policy));
  const tiers = [{ members: ['db'] }];
  system.write(`${namespace}.yaml`, groupWithVms({ namespace, name: 'app', powerState: 'PoweredOn', tiers }));
}

function db(namespace: string, is: (db: MemberProgress) => boolean): Promise<MemberProgress> {
  return system.until(() => {
    const members = system.view(namespace, 'app')?.run?.progress?.members;
    return members?.find((member) => member.member === 'db' && is(member));
  }, `db of ${namespace}`);
}

async function answer(namespace: string, choice: string, member = 'db'): Promise<string> {
  const command = { member, choice, actor: 'alice', reason: 'moved it yesterday' };
  const { message } = await system
    .handle(namespace, 'app')
    .executeUpdate(operatorUpdates.answer, { args: [command] });
  return message;
}

describe('questions of the platform', () => {
  together(
    'are shown as the reason why the member waits, and answered by an operator, on record',
    async () => {
      write('asked');
      const asks = 'the platform asks: "simulated fault: this virtual machine may have been moved or copied"';
      await db('asked', ({ waitsFor }) => waitsFor?.includes(asks) === true);
      const condition = system
        .view('asked', 'app')
        ?.status.members[0]?.conditions.find(({ type }) => type === 'PowerStateSynced');
      expect(condition).toMatchObject({ status: 'False', reason: 'Pending' });
      expect(condition?.message).toContain(asks);
      await expect(answer('asked', 'burned')).rejects.toMatchObject({
        cause: { message: expect.stringMatching(/^burned is none of the choices for asked\/db: /) as string },
      });
      await expect(answer('asked', 'moved', 'stranger')).rejects.toMatchObject({
        cause: { message: 'stranger is not a member of asked/app' },
      });
      expect(await answer('asked', 'moved')).toMatch(
        /^Answered moved \(I moved it\) to the question about asked\/db: /,
      );
      const outcome = await system.outcome('asked', 'app');
      expect(outcome).toMatchObject({ outcome: 'Converged', exceptions: [] });
      expect(outcome.words.at(-1)).toMatchObject({
        verb: 'answer',
        member: 'db',
        choice: 'moved',
        actor: 'alice',
        reason: 'moved it yesterday',
      });
      expect(accepted(await system.journal(), 'asked')).toEqual(['PoweredOn db']);
    },
  );

  together('are answered by the policy', async () => {
    write('policy', { questions: [{ kind: 'msg.uuid.altered', answer: 'copied' }] });
    expect(await system.outcome('policy', 'app')).toMatchObject({ outcome: 'Converged' });
    expect(effects(await system.journal(), 'policy')).toEqual(['PoweredOn db']);
  });

  together(
    'park a member whose question is not answered; a later answer lets the run continue by itself',
    async () => {
      write('nobody', { operationTimeout: '2s' });
      const { lastError } = await db('nobody', ({ phase }) => phase === 'Parked');
      expect(lastError).toMatchObject({ class: 'Unanswered' });
      await answer('nobody', 'moved');
      expect(await system.outcome('nobody', 'app')).toMatchObject({ outcome: 'Converged', exceptions: [] });
      expect(effects(await system.journal(), 'nobody')).toEqual(['PoweredOn db']);
    },
  );
});
