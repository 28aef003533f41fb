/** The board of a bridge. */
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { pino } from 'pino';
import { startBridgeBoard } from '../../../cli/runtime';

test('a port that is taken is an error that names its option', async () => {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const { port } = holder.address() as AddressInfo;
  const options = { boardHost: '127.0.0.1', temporalNamespace: 'default', estimateOf: () => undefined };
  const bridge = { views: () => [], behind: () => undefined } as never;
  const starting = startBridgeBoard({ ...options, boardPort: port }, bridge, pino({ level: 'silent' }));
  await expect(starting).rejects.toMatchObject({
    message: expect.stringContaining(`the board cannot listen on 127.0.0.1:${port}: `) as string,
    nextSteps: ['name another port: --board-port PORT, or 0 for any free one'],
  });
  holder.close();
});
