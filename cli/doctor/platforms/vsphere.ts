/** Checks of a vCenter or an ESXi host: connection, certificate, login, privileges, VMs, and what else powers them. */
import { firstFew, type VsphereSettings } from '../../../api';
import type { ExistingOrder } from '../../../platforms';
import type { MissingPrivilege, Survey, VsphereInventory } from '../../../platforms/vsphere';
import { CliError, messageOf } from '../../errors';
import * as lazy from '../../lazy';
import { counted } from '../../output';
import { vsphereConnection } from '../../runtime';
import type { CheckResult, Judgement } from '../check-result';

/** Most names in one message. */
const NAMES = 5;
/** Days before its end on which a certificate is mentioned. */
const SOON = 30;
const ROLE = 'deploy/vsphere/role.txt; docs/how-to/vsphere.md (Give vmgroup a user)';

/** Checks one server. Each step needs the one before, so the first that fails is the last. */
export async function checkVsphere(name: string, settings: VsphereSettings): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  const add = (check: string, judgement: Judgement): void =>
    void results.push({ check: `${check} of ${name}`, ...judgement });
  let survey: Survey;
  try {
    const { folder, pool } = settings;
    const scope = { ...(folder !== undefined && { folder }), ...(pool !== undefined && { pool }) };
    survey = new (lazy.vsphere().Survey)({ ...vsphereConnection(settings), scope });
  } catch (error: unknown) {
    if (!(error instanceof CliError)) throw error;
    add('settings', { result: 'problem', message: error.message, cure: error.nextSteps.join(', ') });
    return results;
  }
  try {
    await look(survey, settings, add);
  } finally {
    await survey.close();
  }
  return results;
}

type Add = (check: string, judgement: Judgement) => void;

async function look(survey: Survey, settings: VsphereSettings, add: Add): Promise<void> {
  const certificate = await judgeConnection(survey, add);
  if (!certificate) return;
  try {
    await survey.logIn();
    add('login', { result: 'ok', message: 'accepted' });
  } catch (error: unknown) {
    return add('login', judgeLogin(error, settings));
  }
  await step('privileges', add, () => addPrivileges(survey, settings, add));
  await step('VMs', add, async () => {
    const inventory = await survey.inventory();
    const vms = await survey.vmsInScope();
    add('VMs', judgeVms(vms.length, inventory.vms.length, settings));
    for (const judgement of judgeOrders(inventory, new Set(vms.map(({ id }) => id))))
      add('other orders', judgement);
    for (const judgement of judgeDrs(inventory, settings)) add('DRS', judgement);
  });
}

async function step(check: string, add: Add, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error: unknown) {
    add(check, {
      result: 'problem',
      message: messageOf(error),
      cure: 'look at the server: the checks before this one succeeded',
    });
  }
}

// ---- Connection -------------------------------------------------------------------------------------------------------------------

/** Whether the server answers, and is trusted. */
async function judgeConnection(survey: Survey, add: Add): Promise<boolean> {
  try {
    const { fullName } = await survey.reach();
    add('address', { result: 'ok', message: `${survey.host}: ${fullName}` });
    add('certificate', await judgeTrusted(survey));
    return true;
  } catch (error: unknown) {
    const { TransportError } = lazy.vsphere();
    const untrusted = error instanceof TransportError && error.failure === 'Untrusted';
    if (untrusted) add('certificate', await judgeUntrusted(survey, messageOf(error)));
    else
      add('address', {
        result: 'problem',
        message: messageOf(error),
        cure: 'check the address, the name service, firewalls, and whether the server runs',
      });
    return false;
  }
}

async function judgeTrusted(survey: Survey): Promise<Judgement> {
  const { thumbprint, issuer, validTo } = await survey.certificate();
  const days = Math.floor((Date.parse(validTo) - Date.now()) / 86_400_000);
  const facts = { thumbprint, issuer, validTo };
  const message = `trusted; signed by ${issuer}, valid until ${validTo}`;
  if (!(days < SOON)) return { result: 'ok', message, facts };
  return { result: 'note', message, facts, cure: `renew it: ${counted(Math.max(days, 0), 'day')} left` };
}

async function judgeUntrusted(survey: Survey, message: string): Promise<Judgement> {
  const shown = await survey.certificate().catch(() => undefined);
  return {
    result: 'problem',
    message,
    cure: shown
      ? `compare its SHA-256 with what the server itself shows, and write it as thumbprint: ${shown.thumbprint}; or name its authority (${shown.issuer}) as caFile`
      : 'name its authority as caFile, or its thumbprint',
    ...(shown && { facts: { ...shown } }),
  };
}

function judgeLogin(error: unknown, { userFile, passwordFile }: VsphereSettings): Judgement {
  const { VimFault } = lazy.vsphere();
  const refused = error instanceof VimFault && error.fault.type === 'InvalidLogin';
  const where = [
    userFile ?? 'the variable VMGROUP_VSPHERE_USER',
    passwordFile ?? 'the variable VMGROUP_VSPHERE_PASSWORD',
  ].join(' and ');
  return {
    result: 'problem',
    message: messageOf(error),
    cure: refused
      ? `correct ${where}; the user is written with its domain, such as vmgroup@vsphere.local`
      : `check ${where}`,
  };
}

// ---- Privileges -------------------------------------------------------------------------------------------------------------------

async function addPrivileges(
  survey: Survey,
  { records, drsRules = false }: VsphereSettings,
  add: Add,
): Promise<void> {
  const { apiType } = await survey.reach();
  const place = records ?? (apiType === 'VirtualCenter' ? 'Attribute' : 'ExtraConfig');
  const use = { records: place, vCenter: apiType === 'VirtualCenter', drsRules } as const;
  const missing = await survey.missingPrivileges(use);
  const isDefined = place === 'Attribute' && (await survey.hasAttribute());
  // An account without the right to define the attribute does not need it, once the attribute exists.
  const needed = missing.filter(({ privilege: { id } }) => id !== 'Global.ManageCustomFields' || !isDefined);
  for (const each of needed) add('privileges', judgePrivilege(each));
  const asked = lazy.vsphere().privilegesFor(use).length;
  if (needed.length === 0)
    add('privileges', {
      result: 'ok',
      message: `all ${asked} that vmgroup needs`,
      facts: { records: place },
    });
}

function judgePrivilege({ privilege, vms }: MissingPrivilege): Judgement {
  const { id, reason, lost } = privilege;
  const where = vms.length === 0 ? 'at the root' : `on ${firstFew(vms, NAMES).join(', ')}`;
  return {
    result: lost === undefined ? 'problem' : 'note',
    message: `${id} is missing ${where} (${reason})${lost === undefined ? '' : `: ${lost}`}`,
    cure: `add it to the role: ${ROLE}`,
    facts: { privilege: id, vms: vms.length },
  };
}

// ---- VMs --------------------------------------------------------------------------------------------------------------------------

function judgeVms(count: number, all: number, { folder, pool }: VsphereSettings): Judgement {
  const where = [folder, pool].filter((path) => path !== undefined).join(' and ');
  const message = `${counted(count, 'VM')}${where === '' ? '' : ` in ${where}`}, ${all} visible in all`;
  if (count > 0) return { result: 'ok', message, facts: { count, all } };
  return {
    result: 'problem',
    message,
    cure:
      where === ''
        ? 'the role must be given at the root, or on a folder, and propagate to children'
        : 'correct spec.vsphere.folder or pool: paths are as the vSphere Client shows them, such as /DC0/vm/shop',
    facts: { count, all },
  };
}

/** Two masters: what else starts or stops VMs that groups may have. */
function judgeOrders(inventory: VsphereInventory, inScope: ReadonlySet<string>): Judgement[] {
  const paths = new Map(inventory.vms.map(({ id, path }) => [id, path]));
  return inventory.orders.flatMap((order): Judgement[] => {
    const members = vmsOf(order)
      .filter((id) => inScope.has(id))
      .map((id) => paths.get(id) ?? id);
    if (members.length === 0) return [];
    return [
      {
        result: 'note',
        message: `the ${order.what} ${order.name} also orders ${firstFew(members, NAMES).join(', ')}`,
        cure: `power these VMs by vmgroup alone: ${ALONE}`,
        facts: { what: order.what, name: order.name, vms: members },
      },
    ];
  });
}

const ALONE = 'docs/how-to/vsphere.md (What else starts the same VMs)';

function vmsOf({ tiers }: ExistingOrder): string[] {
  return tiers.flatMap(({ members }) =>
    members.flatMap((member) => ('order' in member ? vmsOf(member.order) : [member.vm])),
  );
}

function judgeDrs({ clusters }: VsphereInventory, { overrideDrs, drsRules }: VsphereSettings): Judgement[] {
  const manual = overrideDrs === true ? [] : clusters.filter(({ drs }) => drs === 'manual');
  const ruled = clusters.filter(({ rules }) => rules.length > 0);
  return [
    ...manual.map(({ name, drs }): Judgement => ({
      result: 'note',
      message: `DRS of cluster ${name} is ${drs}: vmgroup chooses the hosts of VMs there itself`,
      cure: 'let DRS do it: set spec.vsphere.overrideDrs of the Platform, or raise its automation level',
      facts: { cluster: name, automation: drs },
    })),
    ...ruled.map(({ name, rules }): Judgement => ({
      result: drsRules === true ? 'ok' : 'note',
      message: `DRS of cluster ${name} has ${counted(rules.length, 'rule')} of vmgroup: ${firstFew(rules, NAMES).join(', ')}`,
      ...(drsRules !== true && {
        cure: 'delete what no group needs: with spec.vsphere.drsRules off, vmgroup does not maintain them',
      }),
      facts: { cluster: name, rules },
    })),
  ];
}
