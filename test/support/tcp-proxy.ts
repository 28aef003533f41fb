/** A TCP proxy that can be cut, for tests of what happens while a server is away. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface TcpProxy {
  /** `127.0.0.1:PORT`. */
  address: string;
  /** Connections that were accepted. */
  connections(): number;
  /** Breaks every connection, and refuses new ones until {@link restore}. */
  cut(): void;
  restore(): void;
  /** Passes nothing on any more, over connections that stay open. */
  freeze(): void;
  close(): Promise<void>;
}

/** Starts a proxy to a server. `onConnection` is called with the number of each connection, from 1 on, before it is used. */
export async function startTcpProxy(
  address: string,
  onConnection: (proxy: TcpProxy, number: number) => void = () => undefined,
): Promise<TcpProxy> {
  const [host, port] = address.split(':');
  const sockets = new Set<Socket>();
  const add = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
  };
  let [isCut, count] = [false, 0];
  const server = createServer((from) => {
    add(from);
    count += 1;
    onConnection(proxy, count);
    if (isCut) {
      from.destroy();
      return;
    }
    const to = connect(Number(port), host);
    add(to);
    from.pipe(to).pipe(from);
    from.on('close', () => to.destroy());
    to.on('close', () => from.destroy());
  });
  const proxy: TcpProxy = {
    address: '',
    connections: () => count,
    cut: () => {
      isCut = true;
      sockets.forEach((socket) => socket.destroy());
    },
    restore: () => void (isCut = false),
    freeze: () => sockets.forEach((socket) => socket.pause()),
    close: async () => {
      server.close();
      proxy.cut();
      await once(server, 'close');
    },
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  proxy.address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return proxy;
}
