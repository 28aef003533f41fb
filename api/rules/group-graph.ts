/** The graph of groups: who contains whom, by `groupName` or by `bootOrder`. No recursion: a chain of groups may be long. */
import type { Group } from '../model';
import type { Path } from '../problem';

/** Groups on top of each other, counted with the topmost one. */
export const MAX_GROUP_DEPTH = 16;

/** Names at either end of a route in a message; of longer routes the middle is left out. */
const ENDS = MAX_GROUP_DEPTH / 2 + 1;

interface Vertex {
  group: Group;
  /** Groups that this one contains, and groups that contain it. */
  below: Vertex[];
  above: Vertex[];
  /** Where this group itself says that it contains another, or that it belongs to another. */
  places: { other: Vertex; path: Path }[];
}

/** Groups by namespace and name. */
export type Graph = Map<string, Vertex>;

/** A route of groups, each of which contains the next, and where `group` has its part in it. */
export interface Route {
  group: Group;
  /** `a -> b -> c`. */
  text: string;
  /** Groups on the route. */
  length: number;
  /** Path into `group`; its name where its part of the route is written in other objects only. */
  path: Path;
}

/** Who contains whom. Names of groups that do not exist, and of the group itself, are left out. */
export function graphOf(groups: readonly Group[]): Graph {
  const graph: Graph = new Map(
    groups.map((group) => [keyOf(group, group.name), { group, below: [], above: [], places: [] }]),
  );
  for (const vertex of graph.values()) {
    const { group } = vertex;
    const parent = group.groupName === undefined ? undefined : graph.get(keyOf(group, group.groupName));
    if (parent && parent !== vertex) {
      connect(parent, vertex);
      vertex.places.push({ other: parent, path: ['spec', 'groupName'] });
    }
    group.tiers.forEach((tier, i) =>
      tier.members.forEach(({ kind, name }, j) => {
        const child = kind === 'VirtualMachineGroup' ? graph.get(keyOf(group, name)) : undefined;
        if (!child || child === vertex) return;
        connect(vertex, child);
        vertex.places.push({ other: child, path: ['spec', 'bootOrder', i, 'members', j, 'name'] });
      }),
    );
  }
  return graph;
}

function connect(above: Vertex, below: Vertex): void {
  above.below.push(below);
  below.above.push(above);
}

function keyOf({ namespace }: Group, name: string): string {
  return `${namespace}/${name}`;
}

/** Vertices in an order in which each comes after all that lead to it; those on cycles and beyond them are left out. */
function inOrder(
  vertices: Vertex[],
  leadTo: (vertex: Vertex) => Vertex[],
  from: (vertex: Vertex) => Vertex[],
): Vertex[] {
  const among = new Set(vertices);
  const open = new Map(
    vertices.map((vertex) => [vertex, leadTo(vertex).filter((other) => among.has(other)).length]),
  );
  const order = vertices.filter((vertex) => open.get(vertex) === 0);
  for (const vertex of order) {
    for (const next of from(vertex)) {
      const left = (open.get(next) ?? 0) - 1;
      open.set(next, left);
      if (left === 0) order.push(next);
    }
  }
  return order;
}

/** For each group on a cycle one cycle that it is on, from itself to itself. */
export function cyclesOf(graph: Graph): Route[] {
  const routes = new Map<Vertex, Route>();
  for (const vertex of onCycles(graph)) {
    if (routes.has(vertex)) continue;
    const cycle = shortestCycle(vertex);
    cycle.forEach((member, index) => {
      if (!routes.has(member)) routes.set(member, cycleRoute(cycle, index));
    });
  }
  return [...routes.values()];
}

/** All that are on cycles, and what lies between two of them. */
function onCycles(graph: Graph): Vertex[] {
  const vertices = [...graph.values()];
  const above = ({ above }: Vertex): Vertex[] => above;
  const below = ({ below }: Vertex): Vertex[] => below;
  const clearOfCyclesAbove = new Set(inOrder(vertices, above, below));
  const rest = vertices.filter((vertex) => !clearOfCyclesAbove.has(vertex));
  const clearOfCyclesBelow = new Set(inOrder(rest, below, above));
  return rest.filter((vertex) => !clearOfCyclesBelow.has(vertex));
}

/** The shortest way from a group back to itself, each once; empty where there is none. */
function shortestCycle(start: Vertex): Vertex[] {
  const cameFrom = new Map<Vertex, Vertex>();
  const queue = [start];
  for (const vertex of queue) {
    for (const next of vertex.below) {
      if (next === start) return trace(vertex, cameFrom);
      if (cameFrom.has(next)) continue;
      cameFrom.set(next, vertex);
      queue.push(next);
    }
  }
  return [];
}

function trace(last: Vertex, cameFrom: Map<Vertex, Vertex>): Vertex[] {
  const way: Vertex[] = [];
  for (let at: Vertex | undefined = last; at; at = cameFrom.get(at)) way.push(at);
  return way.reverse();
}

function cycleRoute(cycle: Vertex[], index: number): Route {
  const at = (step: number): Vertex => cycle[(index + step) % cycle.length] as Vertex;
  const vertex = at(0);
  const text = routeText(cycle.length + 1, (step) => at(step).group.name);
  return {
    group: vertex.group,
    text,
    length: cycle.length,
    path: placeOf(vertex, [at(1), at(cycle.length - 1)]),
  };
}

/** Where a group says that it is tied to one of the others. */
function placeOf(vertex: Vertex, others: Vertex[]): Path {
  return vertex.places.find(({ other }) => others.includes(other))?.path ?? ['metadata', 'name'];
}

/** For each group that is not on or below a cycle the longest way down to it from a group that is in no other. */
export function depthsOf(graph: Graph): Route[] {
  const longest = new Map<Vertex, { depth: number; parent?: Vertex; top: string[] }>();
  const order = inOrder(
    [...graph.values()],
    ({ above }) => above,
    ({ below }) => below,
  );
  return order.map((vertex) => {
    const parent = deepest(vertex.above, (other) => longest.get(other)?.depth ?? 0);
    const above = parent && longest.get(parent);
    const { name } = vertex.group;
    if (!parent || !above) {
      longest.set(vertex, { depth: 1, top: [name] });
      return { group: vertex.group, text: name, length: 1, path: ['metadata', 'name'] };
    }
    const depth = above.depth + 1;
    const top = above.top.length < ENDS ? [...above.top, name] : above.top;
    longest.set(vertex, { depth, parent, top });
    const bottom = lastNames(vertex, (other) => longest.get(other)?.parent);
    const text = routeText(depth, (step) => top[step] ?? bottom[depth - 1 - step] ?? '');
    return { group: vertex.group, text, length: depth, path: placeOf(vertex, [parent]) };
  });
}

function deepest(vertices: Vertex[], depthOf: (vertex: Vertex) => number): Vertex | undefined {
  return vertices.reduce<Vertex | undefined>(
    (best, one) => (best && depthOf(best) >= depthOf(one) ? best : one),
    undefined,
  );
}

/** Names from a group upwards, as many as a message shows. */
function lastNames(vertex: Vertex, parentOf: (vertex: Vertex) => Vertex | undefined): string[] {
  const names: string[] = [];
  for (let at: Vertex | undefined = vertex; at && names.length < ENDS; at = parentOf(at))
    names.push(at.group.name);
  return names;
}

function routeText(length: number, nameAt: (step: number) => string): string {
  const steps = Array.from({ length: Math.min(length, 2 * ENDS) }, (_, index) => index);
  if (length <= 2 * ENDS) return steps.map(nameAt).join(' -> ');
  const first = steps.slice(0, ENDS).map(nameAt);
  const last = steps.slice(ENDS).map((step) => nameAt(length - 2 * ENDS + step));
  return [...first, `(${length - 2 * ENDS} more)`, ...last].join(' -> ');
}
