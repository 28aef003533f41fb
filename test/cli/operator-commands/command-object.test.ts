/** COMMAND-OBJECT-1: what is said of a command that was created, whatever becomes of the looks at it. */
import type { ServerResponse } from 'node:http';
import { CliError } from '../../../cli/errors';
import { createCommand } from '../../../cli/operator-commands/command-object';
import {
  refuse,
  say,
  startStubApiServer,
  type Answer,
  type StubApiServer,
} from '../../support/stub-api-server';

let answer: Answer = () => undefined;
let server: StubApiServer;
beforeAll(async () => {
  server = await startStubApiServer((request, response) => answer(request, response));
});
afterAll(() => server.close());

/** A server that creates the command, and gives these answers to the looks at it. */
function looks(...answers: ((response: ServerResponse, created: object) => void)[]): { made: number } {
  const seen = { made: 0 };
  const created = {
    metadata: { namespace: 'prod', name: 'skip-delay-x1' },
    spec: { group: 'shop', command: 'skip-delay' },
  };
  answer = (request, response) => {
    if (request.method === 'POST') {
      seen.made += 1;
      return say(response, 201, created);
    }
    (answers.length > 1 ? answers.shift() : answers[0])?.(response, created);
  };
  return seen;
}

const run = async (): Promise<CliError | undefined> => {
  const { kubeconfig } = server;
  const options = { kubeconfig, data: 'none', actor: 'kim', reason: 'INC-1' };
  try {
    await createCommand('skip-delay', { namespace: 'prod', name: 'shop' }, {}, options);
    return undefined;
  } catch (error: unknown) {
    expect(error).toBeInstanceOf(CliError);
    return error as CliError;
  }
};

test('COMMAND-OBJECT-1: a look that fails is followed by another one', async () => {
  const printed = jest.spyOn(process.stdout, 'write').mockReturnValue(true);
  const seen = looks(
    (response) => refuse(response, 503, 'ServiceUnavailable'),
    (response) => response.destroy(),
    (response, created) => say(response, 200, { ...created, status: { phase: 'Done', message: 'ended.' } }),
  );
  expect(await run()).toBeUndefined();
  expect(printed).toHaveBeenCalledWith('ended.\n');
  expect(seen.made).toBe(1);
  printed.mockRestore();
});

test('COMMAND-OBJECT-1: who may not read commands learns that this one was created, and stands', async () => {
  looks((response) => refuse(response, 403, 'Forbidden'));
  const error = await run();
  expect(error?.message).toEqual(
    expect.stringMatching(
      /^the command prod\/skip-delay-x1 stands, and is carried out when it can be; cannot read its answer: you may not get operatorcommands\.vmgroup\.dev in namespace prod: /,
    ),
  );
  expect(error?.nextSteps).toContain('take it back: kubectl -n prod delete operatorcommand skip-delay-x1');
});

test('COMMAND-OBJECT-1: a request without an answer may have created the command', async () => {
  answer = (_, response) => response.destroy();
  const error = await run();
  expect(error?.message).toContain('does not answer');
  expect(error?.nextSteps[0]).toBe(
    'see whether the command was created: kubectl -n prod get operatorcommands',
  );
});
