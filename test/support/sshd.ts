/** A real ssh server of a test's own on loopback, with one key, and an `ssh` that finds it. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import path from 'node:path';
import { freePort } from './ports';
import { until } from './until';

/** A running server. */
export interface TestSshd {
  /** `USER@HOST` under which {@link bin} finds it. */
  host: string;
  /** Folder with an `ssh` that has the settings of the test, for `PATH`. */
  bin: string;
  /** Writes the settings of that `ssh`. `key`, `known`: names of files, of which `key` and `known` are the right ones. */
  settings(key: string, known: string): void;
  /** Another key, which the server does not know. */
  otherKey: string;
  stop(): Promise<void>;
}

/** Starts a server for the user of this process, on which the user session of libvirt is in this runtime folder. */
export async function startSshd(runtime: string): Promise<TestSshd> {
  const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-sshd-'));
  const file = (name: string): string => path.join(dir, name);
  const port = await freePort();
  for (const name of ['host', 'key', 'other'])
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', file(name)]);
  execFileSync('cp', [file('key.pub'), file('authorized')]);
  const [type, key] = execFileSync('cat', [file('host.pub')], { encoding: 'utf8' }).split(' ');
  writeFileSync(file('known'), `[127.0.0.1]:${port} ${type} ${key}\n`);
  writeFileSync(file('unknown'), '');
  writeFileSync(
    file('sshd_config'),
    [
      ...[`Port ${port}`, 'ListenAddress 127.0.0.1', `HostKey ${file('host')}`, `PidFile ${file('pid')}`],
      ...[`AuthorizedKeysFile ${file('authorized')}`, 'StrictModes no', 'UsePAM no', 'PermitRootLogin yes'],
      ...['PasswordAuthentication no', 'KbdInteractiveAuthentication no'],
      `SetEnv PATH=${file('remote')}:/usr/bin:/bin`,
    ].join('\n'),
  );
  // For root the server wants the empty folder that its package makes at boot.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  // The session of root is the daemon of the machine, so the helper runs as the user of the test's daemon.
  const as = process.getuid?.() === 0 ? 'setpriv --reuid=65534 --regid=65534 --clear-groups ' : '';
  const remote = file('remote');
  mkdirSync(remote);
  const helper = execFileSync('sh', ['-c', 'command -v virt-ssh-helper'], { encoding: 'utf8' }).trim();
  const wrapper = path.join(remote, 'virt-ssh-helper');
  writeFileSync(wrapper, `#!/bin/sh\nexec env XDG_RUNTIME_DIR=${runtime} ${as}${helper} "$@"\n`);
  chmodSync(wrapper, 0o755);
  const bin = file('bin');
  mkdirSync(bin);
  const program = execFileSync('sh', ['-c', 'command -v ssh'], { encoding: 'utf8' }).trim();
  writeFileSync(path.join(bin, 'ssh'), `#!/bin/sh\nexec ${program} -F ${file('ssh_config')} "$@"\n`);
  chmodSync(path.join(bin, 'ssh'), 0o755);
  // It restarts itself for each connection, and needs its absolute path for that.
  const server = execFileSync('sh', ['-c', 'PATH=$PATH:/usr/sbin; command -v sshd'], { encoding: 'utf8' });
  const child = spawn(server.trim(), ['-D', '-e', '-f', file('sshd_config')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-2_000)));
  await until(() => answers(port), 'sshd to listen', { context: () => said });
  const settings: TestSshd['settings'] = (keyName, known) =>
    writeFileSync(
      file('ssh_config'),
      [
        ...['Host 127.0.0.1', `Port ${port}`, `IdentityFile ${file(keyName)}`, 'IdentitiesOnly yes'],
        ...[
          `UserKnownHostsFile ${file(known)}`,
          'GlobalKnownHostsFile /dev/null',
          'StrictHostKeyChecking yes',
        ],
      ].join('\n'),
    );
  settings('key', 'known');
  return {
    bin,
    settings,
    otherKey: 'other',
    host: `${userInfo().username}@127.0.0.1`,
    stop: async () => {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
