/** Platform: where VMs are, and how it is reached. Of every type one block of settings; a platform has exactly one. */
import { z } from 'zod';
import { present, reportDuplicates, type Convert } from './convert';
import { fields, metadata, namespaceName } from './fields';
import type { PlatformObject, PlatformSettings } from '../model';

/** Most namespaces of one platform. */
const MAX_NAMESPACES = 1_000;
/** Most hosts of one platform. */
const MAX_HOSTS = 256;
/** Longest name of a platform, in characters: it is part of the name of a task queue. */
export const LONGEST_PLATFORM_NAME = 63;

const address = z
  .string()
  // The text is not repeated: it may hold a password.
  .refine(isHttpAddress, { error: 'invalid address: write http://HOST:PORT, without user and password' })
  .describe('Address of the simulator: `http://HOST:PORT`.');

const file = z.string().min(1).max(4_096);

const vsphere = fields({
  address: z
    .string()
    .refine((text) => isHttpAddress(text) && text.startsWith('https:'), {
      error: 'invalid address: write https://HOST, without user and password',
    })
    .describe('Address of the vCenter or ESXi host: `https://HOST`.'),
  folder: z
    .string()
    .min(1)
    .max(2_000)
    .optional()
    .describe(
      'Path of the VM folder in which VMs are found by name, with the folders in it, such as `/DC0/vm/{namespace}`; left out: everywhere.',
    ),
  pool: z
    .string()
    .min(1)
    .max(2_000)
    .optional()
    .describe(
      'Path of the resource pool in which VMs are found by name, such as `/DC0/host/C0/Resources/{namespace}`.',
    ),
  caFile: file
    .optional()
    .describe('Path of a PEM file with the authorities of the certificate; left out: those of the system.'),
  thumbprint: z
    .string()
    .refine((text) => /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/i.test(text.replace(/[:\s]/g, '')), {
      error: 'invalid thumbprint: write the SHA-256 or SHA-1 of the certificate in hexadecimal',
    })
    .optional()
    .describe('SHA-256 or SHA-1 of the certificate; then its name and its authority do not matter.'),
  userFile: file
    .optional()
    .describe('Path of a file with the name of the user; left out: the variable `VMGROUP_VSPHERE_USER`.'),
  passwordFile: file
    .optional()
    .describe('Path of a file with the password; left out: the variable `VMGROUP_VSPHERE_PASSWORD`.'),
  records: z
    .enum(['Attribute', 'ExtraConfig'])
    .optional()
    .describe(
      'Where operations are recorded; left out: `Attribute` on a vCenter, `ExtraConfig` on an ESXi host.',
    ),
  overrideDrs: z
    .boolean()
    .optional()
    .describe(
      'DRS places VMs by itself even where its automation level leaves that to people; default `false`: the solver places them there.',
    ),
  drsRules: z
    .boolean()
    .optional()
    .describe(
      'Where DRS places VMs, it gets a rule for each required affinity rule over hosts; default `false`: affinity rules have no effect there.',
    ),
});

const host = z
  .string()
  .max(253)
  // It becomes an argument of ssh.
  .refine((text) => /^(?:[\w.-]+@)?\[?[\w.:][\w.:-]*\]?$/.test(text), {
    error: 'invalid host: write HOST or USER@HOST',
  });

const libvirt = fields({
  hosts: z
    .array(
      fields({
        name: namespaceName.describe('Name of the host: the node of placements.'),
        uri: z
          .string()
          .max(200)
          .refine((text) => /^[a-z]+:\/\/\/[\w./-]*$/.test(text), {
            error:
              'invalid driver: write qemu:///system or qemu:///session; the way to the host is in ssh or tls',
          })
          .optional()
          .describe(
            'Driver; left out: `qemu:///system`, on this machine `LIBVIRT_DEFAULT_URI` if that is set.',
          ),
        socket: file.optional().describe('Path of the socket on this machine; left out: that of the driver.'),
        ssh: host.optional().describe('`HOST` or `USER@HOST`, reached by ssh with a key.'),
        tls: fields({
          host: host.describe('Name of the host, as in its certificate.'),
          port: z.int().min(1).max(65_535).optional().describe('Default 16514.'),
          caFile: file.describe('Path of a PEM file with the authority of both certificates.'),
          certFile: file.describe('Path of a PEM file with the certificate of this client.'),
          keyFile: file.describe('Path of a PEM file with its key.'),
        })
          .optional()
          .describe('TLS with certificates of both sides.'),
      }),
    )
    .min(1)
    .max(MAX_HOSTS)
    .describe('The hosts, at most 256; one without `ssh` and `tls` is this machine.'),
});

/** How an API server is found, as kubectl finds it. */
function apiServer() {
  return fields({
    kubeconfig: file.optional().describe('Path of the kubeconfig; left out: as kubectl finds it.'),
    context: z.string().min(1).max(1_000).optional().describe('Context of the kubeconfig.'),
  });
}

const spec = fields({
  namespaces: z
    .array(namespaceName)
    .max(MAX_NAMESPACES)
    .optional()
    .describe('Namespaces whose VMs are on this platform if they name none; at most 1,000.'),
  simulated: fields({ address }).optional().describe('The simulated platform.'),
  vmOperator: apiServer().optional().describe('VMs of VM Operator on an API server.'),
  kubevirt: apiServer().optional().describe('VMs of KubeVirt on an API server.'),
  vsphere: vsphere.optional().describe('VMs of a vCenter or of one ESXi host.'),
  libvirt: libvirt.optional().describe('VMs of one or more libvirt hosts.'),
});

type WrittenSpec = z.infer<typeof spec>;

/** A `Platform` of vmgroup.dev/v1alpha1. */
export const platformSchema = fields({
  apiVersion: z.string(),
  kind: z.literal('Platform'),
  metadata,
  spec: spec.describe('The platform.'),
});

/** The settings under the key of each type. */
const SETTINGS: { [K in keyof WrittenSpec]?: (written: WrittenSpec) => PlatformSettings | undefined } = {
  simulated: ({ simulated }) => simulated && { type: 'simulated', ...simulated },
  vmOperator: ({ vmOperator }) => vmOperator && { type: 'vm-operator', ...present(vmOperator) },
  kubevirt: ({ kubevirt }) => kubevirt && { type: 'kubevirt', ...present(kubevirt) },
  vsphere: ({ vsphere: written }) => written && { type: 'vsphere', ...present(written) },
  libvirt: ({ libvirt: written }) =>
    written && {
      type: 'libvirt',
      hosts: written.hosts.map(({ tls, ...rest }) => ({
        ...present(rest),
        ...(tls && { tls: present(tls) }),
      })),
    },
};

/** The internal form of a platform. */
export const convertPlatform: Convert<z.infer<typeof platformSchema>, PlatformObject> = (
  { spec: written },
  meta,
  report,
) => {
  const settings = Object.values(SETTINGS).flatMap((read) => read(written) ?? []);
  const types = Object.keys(SETTINGS).join(', ');
  if (settings.length !== 1)
    report(['spec'], `a platform has exactly one of ${types}; this one has ${settings.length || 'none'}`);
  if (meta.name.length > LONGEST_PLATFORM_NAME)
    report(
      ['metadata', 'name'],
      `too long: a platform's name has at most ${LONGEST_PLATFORM_NAME} characters`,
    );
  const hosts = written.libvirt?.hosts ?? [];
  reportDuplicates(
    hosts,
    ({ name }) => name,
    (index) => `spec.libvirt.hosts[${index}]`,
    (index, name, firstAt) =>
      report(
        ['spec', 'libvirt', 'hosts', index],
        `duplicate value: host ${name} stands at ${firstAt} already`,
      ),
  );
  hosts.forEach(({ socket, ssh, tls }, index) => {
    if ([socket, ssh, tls].filter((way) => way !== undefined).length > 1)
      report(['spec', 'libvirt', 'hosts', index], 'a host has one of socket, ssh and tls at most');
  });
  const namespaces = written.namespaces ?? [];
  reportDuplicates(
    namespaces,
    (namespace) => namespace,
    (index) => `spec.namespaces[${index}]`,
    (index, namespace, firstAt) =>
      report(['spec', 'namespaces', index], `duplicate value: ${namespace} stands at ${firstAt} already`),
  );
  // Without exactly one block the object is refused, whatever stands here.
  return { ...meta, namespaces, settings: settings[0] ?? { type: 'vm-operator' } };
};

function isHttpAddress(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !['http:', 'https:'].includes(url.protocol)) return false;
  return url.username === '' && url.password === '';
}
