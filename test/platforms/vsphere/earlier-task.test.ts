/** An operation that waits for a task of the operation before it, on tasks of a stream without a server. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { PowerRequest } from '../../../platforms';
import type { VmFacts } from '../../../platforms/vsphere/facts';
import type { Ground } from '../../../platforms/vsphere/ground';
import { Operation } from '../../../platforms/vsphere/operation';
import { outlastNamed } from '../../../platforms/vsphere/operation/tasks';
import { VimFault } from '../../../platforms/vsphere/soap';
import { parseXml } from '../../../platforms/vsphere/soap/xml';
import { FollowedTasks } from '../../../platforms/vsphere/stream/followed-tasks';
import type { OperationRecord } from '../../../platforms/tracked';
import { until } from '../../support/until';

const TASK = { type: 'Task', id: 'task-9' };
const XML = { length: 10_000, tags: 99, depth: 9 };
const record: OperationRecord = {
  id: 'op-2',
  sequence: 2,
  to: 'PoweredOn',
  caller: 'vmgroup/prod/shop',
  at: 0,
  guest: 0,
  earlier: [],
};
const previous: OperationRecord = { ...record, id: 'op-1', sequence: 1, to: 'Suspended' };
const vm = { id: 'vm-1', name: 'db', power: 'PoweredOn', recentTasks: [TASK.id] } as unknown as VmFacts;

/** Counts who follows a task. */
class CountedTasks extends FollowedTasks {
  readonly following = new Set<object>();

  override follow(...given: Parameters<FollowedTasks['follow']>): () => void {
    const stop = super.follow(...given);
    this.following.add(stop);
    return () => {
      this.following.delete(stop);
      stop();
    };
  }

  /** The suspend task is in this state. */
  shows(state: string): void {
    const text = `<val><key>task-9</key><descriptionId>VirtualMachine.suspend</descriptionId><state>${state}</state></val>`;
    this.deliver({ kind: 'enter', object: TASK, changes: new Map([['info', parseXml(text, XML)]]) });
  }
}

let tasks: CountedTasks;
let operation: Operation;
beforeEach(() => {
  tasks = new CountedTasks(new AbortController().signal);
  const ground: Partial<Ground> = {
    stream: () => tasks as unknown as ReturnType<Ground['stream']>,
    facts: () => vm,
    changed: () => undefined,
    verify: () => false,
    until: async () => vm,
  };
  const request: PowerRequest = {
    vm: { namespace: 'prod', name: 'db', uid: 'uid' },
    operation: { id: 'op-2', sequence: 2 },
    powerState: 'PoweredOn',
    guestShutdownTimeout: 0,
    caller: record.caller,
  };
  operation = new Operation(ground as Ground, { vm: vm.id, request, record, before: undefined });
});
afterEach(() => jest.restoreAllMocks());

/** Starts the operation, and returns its time limit for the task. */
function start(): { started: Promise<void>; limit: AbortController } {
  const limit = new AbortController();
  jest.spyOn(AbortSignal, 'timeout').mockReturnValue(limit.signal);
  const started = operation.start(vm, previous);
  started.catch(() => undefined);
  return { started, limit };
}

const ended = (): Promise<true> => until(() => !operation.active, 'the end of the operation');
const LATE = {
  class: 'Transient',
  message: 'VM prod/db: an earlier task (task-9) works on it for more than 60 s',
};

test('VSPHERE-7: a power-on during a suspend that goes on beyond the limit fails, and follows the task no more', async () => {
  const { started, limit } = start();
  tasks.shows('running');
  await started;
  await until(() => operation.hold !== undefined && tasks.following.size === 2, 'the wait');
  limit.abort();
  await ended();
  expect(operation).toMatchObject({ failure: LATE, reached: false });
  expect(tasks.following.size).toBe(0);
});

test('VSPHERE-7: a task of which the stream says nothing is given up at the limit too', async () => {
  const { started, limit } = start();
  limit.abort();
  await expect(started).rejects.toMatchObject({ failureClass: 'Transient' });
  await ended();
  expect(operation.failure).toEqual(LATE);
  expect(tasks.following.size).toBe(0);
});

test('a suspend that ends within the limit leaves the operation as it is', async () => {
  const { started } = start();
  tasks.shows('running');
  await started;
  tasks.shows('error');
  await ended();
  expect(operation).toMatchObject({ failure: undefined, reached: true });
  expect(tasks.following.size).toBe(0);
});

test.each([true, false])(
  'an operation that is taken over fails in no way (before it starts: %s)',
  async (before) => {
    if (before) operation.end();
    const { started } = start();
    operation.end();
    await started;
    await ended();
    expect(operation).toMatchObject({ failure: undefined, reached: false });
    expect(tasks.following.size).toBe(0);
  },
);

describe('VSPHERE-7: the garbage collector takes no limit away', () => {
  const collectGarbage = (): void => {
    setFlagsFromString('--expose-gc');
    (runInNewContext('gc') as () => void)();
  };
  const real = AbortSignal.timeout.bind(AbortSignal);
  // No mock, which would keep the signals that it returned.
  beforeEach(() => (AbortSignal.timeout = () => real(200)));
  afterEach(() => (AbortSignal.timeout = real));
  /** Lets all that is on the stack return first. */
  const afterCollection = (): Promise<void> =>
    new Promise((resolve) =>
      setImmediate(() => {
        collectGarbage();
        resolve();
      }),
    );

  test('of a task of an earlier operation', async () => {
    operation.start(vm, previous).catch(() => undefined);
    tasks.shows('running');
    await afterCollection();
    await ended();
    expect(operation.failure).toEqual(LATE);
  });

  test('of a task that a refusal names', async () => {
    const detail = parseXml('<fault><task type="Task">task-9</task></fault>', XML);
    const fault = { type: 'TaskInProgress', message: 'busy', keys: [], detail };
    const refused = outlastNamed(operation, new VimFault(fault, 'PowerOnVM_Task'));
    refused.catch(() => undefined);
    await afterCollection();
    await expect(refused).rejects.toMatchObject({ failureClass: 'Transient' });
  });
});
