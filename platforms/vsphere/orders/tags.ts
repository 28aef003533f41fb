/** Which VMs have a tag. Tags are not in the SOAP API: this is the REST API of vCenter, which ESXi does not have. */
import pMap from 'p-map';
import { Transport, TransportError, type SoapOptions } from '../soap';

/** Where the calls are: `/api` since vCenter 7.0 U2, `/rest` before. */
interface Dialect {
  session: string;
  tagging: string;
  /** An id in a path. */
  id: (id: string) => string;
  /** Query of an action. */
  action: string;
  /** The value of an answer. */
  value: (answer: unknown) => unknown;
}

const DIALECTS: readonly Dialect[] = [
  {
    session: '/api/session',
    tagging: '/api/cis/tagging',
    action: '?action=',
    id: encodeURIComponent,
    value: (answer) => answer,
  },
  {
    session: '/rest/com/vmware/cis/session',
    tagging: '/rest/com/vmware/cis/tagging',
    action: '?~action=',
    id: (id) => `id:${encodeURIComponent(id)}`,
    value: (answer) => (answer as { value?: unknown } | null)?.value,
  },
];

/** Calls that are open at once. */
const CONCURRENCY = 4;
/** Most tags that are looked at. */
const MAX_TAGS = 10_000;
const TIMEOUT = 30_000;
const HEADER = 'vmware-api-session-id';

/**
 * Ids of the VMs with a tag.
 *
 * @param tag `NAME`, or `CATEGORY/NAME`.
 * @throws Error if there is no such tag, or several; TransportError if the server does not answer.
 */
export async function vmsWithTag(options: SoapOptions, tag: string): Promise<ReadonlySet<string>> {
  const transport = new Transport(options.address, options.trust);
  try {
    const tags = await Tags.open(transport, options);
    return await tags.vms(await tags.find(tag)).finally(() => tags.close());
  } finally {
    transport.close();
  }
}

class Tags {
  readonly #transport: Transport;
  readonly #dialect: Dialect;
  readonly #token: string;

  private constructor(transport: Transport, dialect: Dialect, token: string) {
    this.#transport = transport;
    this.#dialect = dialect;
    this.#token = token;
  }

  static async open(transport: Transport, { credentials }: SoapOptions): Promise<Tags> {
    const { user, password } = await credentials();
    const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
    for (const dialect of DIALECTS) {
      const call = { path: dialect.session, headers: { authorization }, body: '', timeout: TIMEOUT };
      const { status, body } = await transport.send(call);
      if (status === 404) continue;
      if (status === 401) throw new Error(`${transport.host} refuses the user or the password`);
      const token = status < 300 ? dialect.value(parse(body, transport.host)) : undefined;
      if (typeof token === 'string' && /^[\x21-\x7e]{1,4096}$/.test(token))
        return new Tags(transport, dialect, token);
      throw new Error(`${transport.host} answered a login to its tags with HTTP status ${status}`);
    }
    throw new Error(`${transport.host} has no tags: an ESXi host by itself has none`);
  }

  /** Id of a tag. */
  async find(tag: string): Promise<string> {
    const cut = tag.indexOf('/');
    const [category, name] = cut < 0 ? [undefined, tag] : [tag.slice(0, cut), tag.slice(cut + 1)];
    const ids = texts(await this.#call('GET', 'tag')).slice(0, MAX_TAGS);
    const named = async (kind: 'tag' | 'category', id: string): Promise<Record<string, unknown>> =>
      (await this.#call('GET', `${kind}/${this.#dialect.id(id)}`)) as Record<string, unknown>;
    const tags = await pMap(ids, async (id) => ({ id, ...(await named('tag', id)) }), {
      concurrency: CONCURRENCY,
    });
    const found: string[] = [];
    for (const { id, ...each } of tags as ({ id: string } & Record<string, unknown>)[]) {
      if (each['name'] !== name) continue;
      const within =
        category === undefined || (await named('category', String(each['category_id'])))['name'] === category;
      if (within) found.push(id);
    }
    const [only, ...others] = found;
    if (only === undefined) throw new Error(`${this.#transport.host} has no tag ${tag}`);
    if (others.length > 0)
      throw new Error(`${this.#transport.host} has several tags ${tag}: write CATEGORY/${name}`);
    return only;
  }

  /** Ids of VMs that have a tag. */
  async vms(id: string): Promise<ReadonlySet<string>> {
    const path = `tag-association/${this.#dialect.id(id)}${this.#dialect.action}list-attached-objects`;
    const attached = await this.#call('POST', path);
    const vms = (Array.isArray(attached) ? attached : []).flatMap((each: unknown) => {
      const { type, id: vm } = (each ?? {}) as Record<string, unknown>;
      return type === 'VirtualMachine' && typeof vm === 'string' ? [vm] : [];
    });
    return new Set(vms);
  }

  /** Never rejects. */
  async close(): Promise<void> {
    const headers = { [HEADER]: this.#token };
    const call = {
      method: 'DELETE' as const,
      path: this.#dialect.session,
      headers,
      body: '',
      timeout: TIMEOUT,
      signal: AbortSignal.timeout(5_000),
    };
    await this.#transport.send(call).catch(() => undefined);
  }

  async #call(method: 'GET' | 'POST', path: string): Promise<unknown> {
    const { host } = this.#transport;
    const headers = { [HEADER]: this.#token, 'content-type': 'application/json' };
    const whole = `${this.#dialect.tagging}/${path}`;
    const { status, body } = await this.#transport.send({
      method,
      headers,
      path: whole,
      body: method === 'POST' ? '{}' : '',
      timeout: TIMEOUT,
    });
    if (status >= 300) throw new Error(`${host} answered ${method} ${whole} with HTTP status ${status}`);
    return this.#dialect.value(parse(body, host));
  }
}

function parse(body: string, host: string): unknown {
  try {
    return JSON.parse(body);
  } catch (error: unknown) {
    throw new TransportError('Malformed', `the answer of ${host} is not JSON`, { cause: error });
  }
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
}
