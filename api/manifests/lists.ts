/** Lists of objects: `List`, and typed lists such as `VirtualMachineGroupList`. */
import { itemKind } from '../kinds';
import { isMapping } from '../unknown';

/** A `List`, as `kubectl get -o yaml` writes it, or a list of one of our kinds, as an API server answers. */
export function isList(value: unknown): value is Record<string, unknown> {
  if (!isMapping(value)) return false;
  const { apiVersion, kind } = value;
  return (kind === 'List' && apiVersion === 'v1') || itemKind(kind) !== undefined;
}

/** An item of a list, with the type that an API server leaves out in the items of a typed list. */
export function withTypeOf({ apiVersion, kind }: Record<string, unknown>, item: unknown): unknown {
  const typed = itemKind(kind);
  if (typed === undefined || !isMapping(item)) return item;
  return { ...item, apiVersion: item['apiVersion'] ?? apiVersion, kind: item['kind'] ?? typed };
}
