/** libvirt's RPC, and what carries it. */
export { ConnectionError, LibvirtError, RpcClient } from './client';
export { openTransport, type Transport } from './transport';
export { XdrReader, XdrWriter } from './xdr';
