export type { LinearClassifier } from '@tsrl/linear';
