/** The source `kubernetes`. */
export { kubernetesSource, type KubernetesSource } from './kubernetes-source';
