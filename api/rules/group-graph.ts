/** The graph of groups: which group contains which, by `groupName` or by `bootOrder`. Without recursion: chains of groups may be long. */
import type { Group } from '../model';
import type { Path } from '../problem';

/** Most levels of nested groups, the topmost included. */
export const MAX_GROUP_DEPTH = 16;

/** Names shown at each end of a route in a message. The middle of longer routes is omitted. */
const ENDS = MAX_GROUP_DEPTH / 2 + 1;

interface Vertex {
  group: Group;
  /** Groups that this one contains, and groups that contain it. */
  below: Vertex[];
  above: Vertex[];
  /** The fields of this group that name a member group or its parent. */
  places: { other: Vertex; path: Path }[];
}

/** Groups by namespace and name. */
export type Graph = Map<string, Vertex>;

/** A route of groups, each of which contains the next, with the field of `group` that is part of it. */
export interface Route {
  group: Group;
  /** `a -> b -> c`. */
  text: string;
  /** Groups on the route. */
  length: number;
  /** Path into `group`; that of its name if only fields of other objects make it part of the route. */
  path: Path;
}

/** Builds the graph. Groups that do not exist are omitted, and references of a group to itself. */
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

/** Topological order: each vertex comes after its predecessors. Vertices on cycles, and those after them, are omitted. */
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

/** One cycle for each group on a cycle, starting at that group. */
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

/** The vertices on cycles, and those between two cycles. */
function onCycles(graph: Graph): Vertex[] {
  const vertices = [...graph.values()];
  const above = ({ above }: Vertex): Vertex[] => above;
  const below = ({ below }: Vertex): Vertex[] => below;
  const clearOfCyclesAbove = new Set(inOrder(vertices, above, below));
  const rest = vertices.filter((vertex) => !clearOfCyclesAbove.has(vertex));
  const clearOfCyclesBelow = new Set(inOrder(rest, below, above));
  return rest.filter((vertex) => !clearOfCyclesBelow.has(vertex));
}

/** The shortest cycle through a group, each vertex once; empty if there is none. */
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

/** The field of a group that names one of the others. */
function placeOf(vertex: Vertex, others: Vertex[]): Path {
  return vertex.places.find(({ other }) => others.includes(other))?.path ?? ['metadata', 'name'];
}

/** For each group that is not on or below a cycle: the longest route to it from a group without a parent. */
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

/** Names from a group upwards, at most as many as a message shows. */
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
