/** The services that the guests of `examples/probes` would run. */
import { createServer, type Server } from 'node:http';

/** Ports that the example probes. */
const PORTS = [15_432, 18_080];

/** Listens on the ports of the example; a port that another test of this machine serves already is served. Returns what ends it. */
export async function serveExample(): Promise<() => void> {
  const servers = PORTS.map(() => createServer((_, response) => response.end()));
  await Promise.all(servers.map((server, index) => listening(server, PORTS[index] ?? 0)));
  return () => {
    for (const server of servers) server.close();
  };
}

function listening(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server
      .once('error', (error: NodeJS.ErrnoException) =>
        error.code === 'EADDRINUSE' ? resolve() : reject(error),
      )
      .listen(port, '127.0.0.1', resolve);
  });
}
