/** Faults of a vSphere server: told apart by their type, never by their text. */
import { child, childrenOf, textOf, type XmlElement } from './xml';

/** A fault, of a call or of a task. */
export interface Fault {
  /** Type, such as `InvalidPowerState`; empty: the server named none. */
  type: string;
  /** The server's own words; empty: it had none. */
  message: string;
  /** Keys of its `faultMessage`, which name the cause in every language. */
  keys: readonly string[];
  /** Its properties, such as `privilegeId`. */
  detail: XmlElement | undefined;
}

/** Most texts of one fault that are kept. */
const MAX_MESSAGES = 8;
/** Characters of a server's words that are kept. */
const MAX_MESSAGE = 1_000;

/** Thrown where the server refuses a call. */
export class VimFault extends Error {
  override readonly name = 'VimFault';
  constructor(
    readonly fault: Fault,
    /** Such as `PowerOnVM_Task`. */
    readonly method: string,
  ) {
    super(`${method}: ${describeFault(fault)}`);
  }
}

/** Type and words, for people. */
export function describeFault({ type, message }: Fault): string {
  return message === '' || message === type ? type || 'a fault without a type' : `${message} (${type})`;
}

/** Reads `LocalizedMethodFault`, as tasks and results have it. */
export function localizedFault(from: XmlElement): Fault {
  return faultOf(child(from, 'fault'), textOf(from, 'localizedMessage') ?? '');
}

/** Reads the `Fault` of a SOAP answer. */
export function soapFault(from: XmlElement): Fault {
  const [detail] = child(from, 'detail')?.children ?? [];
  return faultOf(detail, textOf(from, 'faultstring') ?? '');
}

function faultOf(detail: XmlElement | undefined, words: string): Fault {
  const messages = childrenOf(detail, 'faultMessage').slice(0, MAX_MESSAGES);
  const texts = [words, ...messages.map((each) => textOf(each, 'message') ?? '')];
  return {
    type: detail?.type ?? detail?.name.replace(/Fault$/, '') ?? '',
    message: [...new Set(texts.map((each) => each.trim()).filter(Boolean))].join(' ').slice(0, MAX_MESSAGE),
    keys: messages.map((each) => textOf(each, 'key') ?? '').filter(Boolean),
    detail,
  };
}
