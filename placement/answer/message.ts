/** A conflict in one sentence for people. */
import { fullName, listed } from '../../api';
import type { Bond, Model } from '../model';
import type { Conflict, ConflictRule, MissingRoom } from '../problem';
import { selectorWords } from '../selectors';

/** Most names in one list. */
const MOST = 5;

/** Says what conflicts, with names and numbers. */
export function conflictMessage(model: Model, conflict: Conflict): string {
  const message = messageOf(model, conflict);
  return conflict.minimal || conflict.rules.length < 2
    ? message
    : `${message}; some of these rules may not matter: the search for the fewest ended first`;
}

function messageOf(model: Model, { rules, capacity }: Conflict): string {
  if (model.usable.every((usable) => !usable)) return nowhere(model);
  const room = capacity && capacity.length > 0 ? roomMissing(capacity) : undefined;
  if (room !== undefined)
    return rules.length === 0
      ? `there is not enough room: ${room}`
      : `${room}, under ${inWords(rules.map(ruleWords))}`;
  const [only] = rules;
  if (only && rules.length === 1) return alone(model, only);
  return exclusion(model, rules) ?? `these rules cannot hold together: ${inWords(rules.map(ruleWords))}`;
}

/** Amounts such as `12 GiB` and `1.5 cpus`. */
function amount({ cpus, memory }: MissingRoom): string {
  const parts = [
    ...(cpus > 0 ? [`${Math.round(cpus * 1000) / 1000} ${cpus === 1 ? 'cpu' : 'cpus'}`] : []),
    ...(memory > 0 ? [memory >= 2 ** 20 ? gibibytes(memory) : `${memory} bytes`] : []),
  ];
  return parts.join(' and ');
}

function gibibytes(bytes: number): string {
  // Rounded up, so that the stated amount is enough.
  return `${Math.ceil((bytes / 2 ** 30) * 100) / 100} GiB`;
}

function roomMissing(capacity: MissingRoom[]): string {
  return inWords(
    capacity.map((missing) => {
      const [first] = missing.vms;
      const place = missing.host === undefined ? missing.zone : `${missing.host} in ${missing.zone}`;
      return `${place} lacks ${amount(missing)}${first ? ` for ${fullName(first)}` : ''}`;
    }),
  );
}

function ruleWords({ vm, type, path }: ConflictRule): string {
  return type === 'Pin' ? `the pin of ${fullName(vm)} to its zone (${path})` : `${path} of ${fullName(vm)}`;
}

function nowhere({ problem, spots }: Model): string {
  if (spots.length === 0) return 'there is no host to place on';
  return `no datastore with free space serves a zone of the hosts (${inWords(problem.datastores.map(({ name }) => name))})`;
}

/** One rule that cannot hold by itself. */
function alone(model: Model, rule: ConflictRule): string {
  const entity = model.entities.findIndex(({ uid }) => uid === rule.vm.uid);
  const vm = model.entities[entity]!;
  const name = fullName(vm);
  if (rule.type === 'Pin')
    return `${name} is pinned to zone ${vm.zone}, where there is no host${model.problem.datastores.length > 0 ? ' near a datastore with free space' : ''}`;
  const term = model.terms[entity]!.find(({ term: { path } }) => path === rule.path)!;
  const bond = model.bonds[term.bond]!;
  if (bond.isAffinity && bond.matched.every((other) => other === entity))
    return `${rule.path} of ${name} selects no VM that has or gets a place: none in namespace ${vm.namespace} has ${selectorWords(term.term.selector)}`;
  const others = bond.matched
    .filter((other) => other !== entity)
    .map((other) => fullName(model.entities[other]!));
  const where = bond.overZones ? 'zone' : 'host';
  return bond.isAffinity
    ? `${rule.path} of ${name} cannot hold: it can come into no ${where} with ${inWords(others, 'or')}`
    : `${rule.path} of ${name} cannot hold: there is no ${where} for it without ${inWords(others, 'or')}`;
}

/** VMs that all exclude each other, and too few places for them. */
function exclusion(model: Model, rules: ConflictRule[]): string | undefined {
  if (rules.length === 0 || rules.some(({ type }) => type !== 'AntiAffinity')) return undefined;
  const bonds = new Set(
    rules.map((rule) => {
      const entity = model.entities.findIndex(({ uid }) => uid === rule.vm.uid);
      return model.terms[entity]!.find(({ term: { path } }) => path === rule.path)!.bond;
    }),
  );
  const [at] = bonds;
  if (bonds.size !== 1 || at === undefined) return undefined;
  const bond = model.bonds[at]!;
  const matched = new Set(bond.matched);
  const holders = new Set(rules.map(({ vm }) => model.entities.findIndex((entity) => entity.uid === vm.uid)));
  const all = [...new Set([...matched, ...holders])];
  // Two of them exclude each other where one has the rule and the other is selected: of those that are not both, there may be one.
  const isMutual = all.filter((entity) => !matched.has(entity) || !holders.has(entity)).length <= 1;
  if (!isMutual) return besidePlaced(model, rules, bond, all);
  const involved = new Set(all.map((entity) => fullName(model.entities[entity]!)));
  const places = new Set(
    model.spots.flatMap(({ zone, host }, spot) => (model.usable[spot] ? [bond.overZones ? zone : host] : [])),
  );
  const what = bond.overZones ? 'zone' : 'host';
  return (
    `${inWords([...involved])} may not share a ${what}, and there ${places.size === 1 ? 'is' : 'are'} ${places.size} ${what}` +
    `${places.size === 1 ? '' : 's'} for them, under ${inWords(rules.map(ruleWords))}`
  );
}

/** One VM to be placed that the places of others rule out; undefined: it is not so simple. */
function besidePlaced(model: Model, rules: ConflictRule[], bond: Bond, all: number[]): string | undefined {
  const [fresh, ...more] = all.filter((entity) => entity < model.size);
  if (fresh === undefined || more.length > 0) return undefined;
  const others = all.filter((entity) => entity !== fresh).map((entity) => fullName(model.entities[entity]!));
  const what = bond.overZones ? 'zone' : 'host';
  return `there is no ${what} for ${fullName(model.entities[fresh]!)} without ${inWords(others, 'or')}, under ${inWords(rules.map(ruleWords))}`;
}

function inWords(names: string[], lastWord: 'and' | 'or' = 'and'): string {
  return listed(names, MOST, lastWord);
}
