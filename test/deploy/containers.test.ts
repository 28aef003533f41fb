/**
 * The image and the compose file: the checks that need no container engine.
 *
 * I1: the image has what it is built from, for the system that it is built on, and runs without privileges.
 * I2: the compose file refers to nothing that it does not have, and opens no port to other machines.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';

const root = path.join(__dirname, '../..');
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');

describe('I1: the image', () => {
  /** Instructions with their lines put together, without comments. */
  const instructions = read('Dockerfile')
    .replaceAll(/\\\n/g, ' ')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.replaceAll(/\s+/g, ' '));
  const last = instructions.slice(instructions.findLastIndex((line) => line.startsWith('FROM ')));
  const allowed = read('.dockerignore')
    .split('\n')
    .filter((line) => line.startsWith('!'))
    .map((line) => line.slice(1));

  test('each base image has a version, and glibc', () => {
    const bases = instructions.filter((line) => line.startsWith('FROM ')).map((line) => line.split(' ')[1]);
    expect(new Set(bases)).toEqual(new Set(['node:20-bookworm-slim']));
  });

  test('all that is compiled is let in, and nothing that is not there', () => {
    const { include } = JSON.parse(read('tsconfig.build.json')) as { include: string[] };
    for (const folder of include) expect(allowed).toContain(folder);
    expect(allowed.filter((file) => !existsSync(path.join(root, file)))).toEqual([]);
    for (const file of ['package.json', 'package-lock.json', 'scripts/build.mjs'])
      expect(allowed).toContain(file);
  });

  test('modules are those of the lock file, without scripts of others, and those of the product alone in the end', () => {
    const installs = instructions.filter((line) => line.includes('npm '));
    expect(installs.some((line) => line.includes('npm ci --omit=dev --ignore-scripts'))).toBe(true);
    expect(instructions.join('\n')).not.toMatch(/npm (i|install)\b/);
    expect(last).toContain('COPY --from=modules /app/node_modules ./node_modules');
  });

  test('the native part is the one for the system', () => {
    const parts = path.join(root, 'node_modules/@temporalio/core-bridge/releases');
    for (const machine of ['x86_64', 'aarch64'])
      expect(existsSync(path.join(parts, `${machine}-unknown-linux-gnu/index.node`))).toBe(true);
    expect(instructions.join('\n')).toContain('! -name "$(uname -m)-unknown-linux-gnu"');
  });

  test('it runs as a numbered user who is not root, and what it runs is the program', () => {
    expect(last.filter((line) => /^USER/.test(line))).toEqual(['USER 65532:65532']);
    expect(last).toContain('ENTRYPOINT ["vmgroup"]');
    expect(last.join('\n')).toContain('ln -s /app/dist/cli/main.js /usr/local/bin/vmgroup');
    const { bin } = JSON.parse(read('package.json')) as { bin: { vmgroup: string } };
    expect(bin.vmgroup).toBe('dist/cli/main.js');
    expect(instructions.join('\n')).not.toMatch(/\bsudo\b|^ADD |curl .*\| *(ba)?sh/m);
  });
});

describe('I2: the compose file', () => {
  interface Service {
    image: string;
    user?: string;
    privileged?: boolean;
    network_mode?: string;
    ports?: string[];
    volumes?: string[];
    healthcheck?: object;
    depends_on?: Record<string, { condition: string }>;
    configs?: { source: string }[];
  }
  const compose = parse(read('docker-compose.yml'), { merge: true }) as {
    services: Record<string, Service>;
    volumes: Record<string, unknown>;
    configs: Record<string, unknown>;
  };
  const services = Object.entries(compose.services);

  test('what is waited for is there, and says how it is', () => {
    for (const [name, { depends_on: after = {} }] of services) {
      for (const [other, { condition }] of Object.entries(after)) {
        const service = compose.services[other];
        expect({ name, other, known: service !== undefined }).toEqual({ name, other, known: true });
        if (condition === 'service_healthy') expect(service?.healthcheck).toBeDefined();
      }
    }
  });

  test('volumes, configurations and networks are there', () => {
    for (const [, { volumes = [], configs = [], network_mode: mode }] of services) {
      for (const volume of volumes) {
        const [source = ''] = volume.replace(/^\$\{\w+:-([^}]*)\}/, '$1').split(':');
        expect(source.startsWith('.') ? existsSync(path.join(root, source)) : source in compose.volumes).toBe(
          true,
        );
      }
      for (const { source } of configs) expect(compose.configs).toHaveProperty(source);
      if (mode !== undefined) expect(compose.services).toHaveProperty(mode.replace('service:', ''));
    }
  });

  test('ports are those of this machine alone, and each is taken once', () => {
    const ports = services.flatMap(([, service]) => service.ports ?? []);
    expect(ports.length).toBeGreaterThan(2);
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
    const taken = ports.map((port) => port.split(':')[1]);
    expect(new Set(taken).size).toBe(taken.length);
  });

  test('images have a version, and no container is privileged', () => {
    for (const [, { image, privileged }] of services) {
      expect(image.replace(/\$\{\w+:-([^}]*)\}/, '$1')).toMatch(/:\d[\w.-]*$/);
      expect(privileged).toBeUndefined();
    }
    for (const name of ['simulator', 'worker', 'bridge']) {
      expect(compose.services[name]).toMatchObject({
        read_only: true,
        cap_drop: ['ALL'],
        security_opt: ['no-new-privileges:true'],
      });
    }
  });
});
