/** Opens libvirt hosts. */
import path from 'node:path';
import type { Logger } from 'pino';
import { own, type LibvirtHost, type LibvirtSettings } from '../../api';
import type { Platform } from '../../platforms';
import type { HostOptions, Transport } from '../../platforms/libvirt';
import * as lazy from '../lazy';

const SYSTEM = 'qemu:///system';
/** Port of libvirt with TLS. */
const TLS_PORT = 16_514;
/** Names of the socket, of one daemon for all drivers and of one for each. */
const SOCKETS = ['libvirt-sock', 'virtqemud-sock'];

/** Opens the hosts of a Platform. */
export function openLibvirt({ hosts }: LibvirtSettings, logger: Logger): Platform {
  return new (lazy.libvirt().LibvirtPlatform)({
    hosts: hosts.map((host) => hostOptions(host, process.env)),
    onBroken: (error, retryIn) => logger.warn({ err: error, retryIn }, 'lost a libvirt host, retrying'),
    onUnreadable: (vm, error) => logger.warn({ err: error, vm }, 'cannot read a VM of libvirt, trying again'),
  });
}

/** How a host is reached. */
export function hostOptions(host: LibvirtHost, env: NodeJS.ProcessEnv): HostOptions {
  const local = host.ssh === undefined && host.tls === undefined;
  const uri = host.uri ?? (local ? localUri(env) : SYSTEM);
  return { name: host.name, uri, transport: transportOf(host, uri, env) };
}

/** What libvirt's own tools use, if it names a driver of this machine. */
function localUri(env: NodeJS.ProcessEnv): string {
  const uri = own(env, 'LIBVIRT_DEFAULT_URI');
  return uri !== undefined && /^[a-z]+:\/\/\/[\w./-]*$/.test(uri) ? uri : SYSTEM;
}

function transportOf({ socket, ssh, tls }: LibvirtHost, uri: string, env: NodeJS.ProcessEnv): Transport {
  if (tls) return { type: 'Tls', ...tls, port: tls.port ?? TLS_PORT };
  if (ssh !== undefined) return { type: 'Ssh', host: ssh, uri };
  if (socket !== undefined) return { type: 'Socket', paths: [socket] };
  const runtime = own(env, 'XDG_RUNTIME_DIR') ?? `/run/user/${process.getuid?.() ?? 0}`;
  const folder = uri.endsWith('/session') ? path.join(runtime, 'libvirt') : '/run/libvirt';
  return { type: 'Socket', paths: SOCKETS.map((name) => path.join(folder, name)) };
}
