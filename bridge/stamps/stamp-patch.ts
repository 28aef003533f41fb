/** The change by which an object is stamped at admission. Pure but for the key. */
import { canonicalText, own, type AdmissionRequest, type JsonPatchOperation } from '../../api';
import { STAMP_ANNOTATIONS, type StampedObject, type Stamps } from './stamps';

/** What is stamped. */
export interface StampRequest extends AdmissionRequest {
  kind: string;
  namespace: string;
  /** Name of the authenticated user. */
  user: string;
}

/** The kinds whose writers are stamped. */
const STAMPED: readonly string[] = ['VirtualMachineGroup', 'SequencePolicy', 'OperatorCommand'];

/**
 * Stamps an object that is created, or whose spec changes; otherwise it keeps its stamp, whatever the request says.
 *
 * @param before What admission changes besides, of the object as it is in the request.
 * @param now Milliseconds since the Unix epoch.
 */
export function stampPatch(
  stamps: Stamps,
  request: StampRequest,
  before: readonly JsonPatchOperation[],
  now: number,
): JsonPatchOperation[] {
  const { kind, namespace, user, operation } = request;
  if (!STAMPED.includes(kind) || user === '') return [];
  if (operation !== 'CREATE' && operation !== 'UPDATE') return [];
  const object = asObject(request.object);
  const old = operation === 'UPDATE' ? asObject(request.oldObject) : undefined;
  const spec = patched(object.spec, before);
  const { name, generateName } = object.metadata;
  if (old && canonicalText(spec) === canonicalText(old.spec)) return annotate(object, stampOf(old));
  const subject: StampedObject = {
    kind,
    namespace,
    name,
    generateName,
    generation: (old?.metadata.generation ?? 0) + 1,
    ...(kind === 'OperatorCommand' && { spec }),
  };
  return annotate(object, stamps.make(subject, user, now));
}

interface AnObject {
  metadata: {
    name?: string;
    generateName?: string;
    generation?: number;
    annotations?: Record<string, string>;
  };
  spec?: unknown;
}

function asObject(value: unknown): AnObject {
  const { metadata = {}, spec } = (value ?? {}) as Partial<AnObject>;
  return { metadata, spec };
}

function stampOf({ metadata: { annotations } }: AnObject): Record<string, string> {
  return Object.fromEntries(
    STAMP_ANNOTATIONS.flatMap((name) => {
      const value = own(annotations, name);
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

function annotate({ metadata }: AnObject, annotations: Record<string, string>): JsonPatchOperation[] {
  const differ = Object.entries(annotations).filter(
    ([name, value]) => own(metadata.annotations, name) !== value,
  );
  if (differ.length === 0) return [];
  if (metadata.annotations === undefined)
    return [{ op: 'add', path: '/metadata/annotations', value: annotations }];
  return differ.map(([name, value]) => ({
    op: 'add',
    path: `/metadata/annotations/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`,
    value,
  }));
}

/** The spec after changes of the whole of it, or of single fields. */
function patched(spec: unknown, changes: readonly JsonPatchOperation[]): unknown {
  return changes.reduce((at, { path, value }) => {
    const [, top, field] = path.split('/');
    if (top !== 'spec') return at;
    return field === undefined ? value : { ...(at as object), [field]: value };
  }, spec);
}
