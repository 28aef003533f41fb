/** libvirt's RPC, and what carries it. */
export { ConnectionError, LibvirtError, MOST_AT_ONCE, RpcClient } from './client';
export { openTransport, type Transport } from './transport';
export { XdrError, XdrReader, XdrWriter } from './xdr';
