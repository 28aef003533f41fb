/** A thin client of the SOAP API of vCenter and ESXi. */
export { certificateOf, type Certificate } from './certificate';
export {
  HttpStatusError,
  isNotAuthenticated,
  orAborted,
  SoapClient,
  type Credentials,
  type ServiceContent,
  type SoapOptions,
} from './client';
export { describeFault, localizedFault, VimFault, type Fault } from './faults';
export { Transport, TransportError, type Trust } from './transport';
export {
  child,
  childrenOf,
  element,
  managedObject,
  reference,
  textOf,
  type Element,
  type ManagedObject,
  type XmlElement,
} from './xml';
