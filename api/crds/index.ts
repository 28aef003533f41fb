/** The CustomResourceDefinitions, made of the schemas of the kinds. */
export { crds, type CustomResourceDefinition } from './crds';
