/** `vmgroup import`: its options. Each platform that has an import has a command here, and a file of its own. */
import type { Command } from 'commander';
import { withCluster } from '../options';
import type * as Kubevirt from './kubevirt';
import type * as Libvirt from './libvirt';
import { withImport, type ImportOptions } from './options';
import type * as Vsphere from './vsphere';

const kubevirt = (): typeof Kubevirt => require('./kubevirt') as typeof Kubevirt;
const libvirt = (): typeof Libvirt => require('./libvirt') as typeof Libvirt;
const vsphere = (): typeof Vsphere => require('./vsphere') as typeof Vsphere;

/** Adds the commands. */
export function registerImport(program: Command): void {
  const command = program
    .command('import')
    .description('write manifests for VMs that a platform has already, and for what starts them in order');
  withImport(
    command
      .command('vsphere')
      .description('VMs of a vCenter or an ESXi host: vApps, HA dependencies, autostart'),
  )
    .option('--folder <path>', 'only VMs in this VM folder and the folders in it, such as /DC0/vm/shop')
    .option('--pool <path>', 'only VMs in this resource pool or vApp and those in it')
    .option('--tag <tag>', 'only VMs with this tag: NAME or CATEGORY/NAME')
    .action((options: Vsphere.VsphereImportOptions) => vsphere().importVsphere(options));
  withImport(
    command.command('libvirt').description('VMs of libvirt hosts; what starts by itself is named'),
  ).action((options: ImportOptions) => libvirt().importLibvirt(options));
  withCluster(
    withImport(
      command
        .command('kubevirt')
        .description('VMs of KubeVirt; of the cluster that kubectl finds, or that of a Platform'),
    ),
  )
    .option('--selector <selector>', 'only VMs with such labels, as kubectl takes them: app=shop,tier!=test')
    .action((options: Kubevirt.KubevirtImportOptions) => kubevirt().importKubevirt(options));
}
