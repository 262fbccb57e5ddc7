import type { SeedMetric } from '@tsrl/evaluation';

/**
 * Balanced accuracies of many classifiers on samples drawn within the classes, for `crossedBootstrap` with the labels
 * as strata. `wrong[metric][seed]` are the examples that a model gets wrong; a class that has no example does not count.
 *
 *   1 − Σ over the wrong examples of (how often it was drawn) / (size of its class) / (number of classes)
 *
 * How often each was drawn is counted once for all: the first metric at its first seed counts, because that is what
 * `crossedBootstrap` asks first of every sample.
 */
export function balancedAccuracies(labels: Uint8Array, wrong: readonly (readonly Int32Array[])[]): SeedMetric[] {
  const positives = labels.reduce((sum, label) => sum + label, 0);
  const sizes = [labels.length - positives, positives];
  const classes = sizes.filter((size) => size > 0).length;
  const share = Float64Array.from(labels, (label) => 1 / ((sizes[label] as number) * classes));
  const weight = new Float64Array(labels.length);
  return wrong.map((perSeed, metric) => (seed, examples) => {
    if (metric === 0 && seed === 0) {
      weight.fill(0);
      for (const example of examples) weight[example]! += share[example] as number;
    }
    let error = 0;
    for (const example of perSeed[seed] as Int32Array) error += weight[example] as number;
    return 1 - error;
  });
}

/** The places of the zeros. */
export const wrongOf = (right: Uint8Array): Int32Array =>
  Int32Array.from(Array.from(right.keys()).filter((i) => right[i] === 0));
