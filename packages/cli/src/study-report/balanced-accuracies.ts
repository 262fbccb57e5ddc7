import type { SeedMetric } from '@tsrl/evaluation';

/**
 * Balanced accuracies of many classifiers on samples drawn within the classes, for `crossedBootstrap` with the labels
 * as strata: the mean over the classes of the share of right answers. `right[metric][seed][example]` is 0 or 1; a class
 * that has no example does not count.
 *
 * All seeds of a metric are counted in one pass: a float64 holds the answers of several seeds to one example, each in
 * bits enough for the count of a whole class, so that a sum of them is as many counts. It relies on the order in which
 * `crossedBootstrap` asks: for every sample all metrics, and of each the seeds from 0 on.
 */
export function balancedAccuracies(labels: Uint8Array, right: readonly (readonly Uint8Array[])[]): SeedMetric[] {
  const order = [0, 1].flatMap((one) => Array.from(labels.keys()).filter((i) => labels[i] === one));
  const place = new Int32Array(labels.length);
  for (const [at, example] of order.entries()) place[example] = at;
  const negatives = labels.filter((label) => label === 0).length;
  const classes = [
    { from: 0, to: negatives },
    { from: negatives, to: labels.length },
  ].filter(({ from, to }) => to > from);

  const base = 2 ** Math.ceil(Math.log2(labels.length + 1));
  const together = Math.floor(53 / Math.log2(base));
  const drawn = new Float64Array(labels.length);
  return right.map((perSeed, metric) => {
    const packs = Array.from({ length: Math.ceil(perSeed.length / together) }, (_, pack) => {
      const members = perSeed.slice(pack * together, (pack + 1) * together);
      return Float64Array.from(order, (example) =>
        members.reduce((sum, one, s) => sum + (one[example] as number) * base ** s, 0),
      );
    });
    const scores = new Float64Array(perSeed.length);
    return (seed, examples) => {
      if (seed > 0) return scores[seed] as number;
      if (metric === 0) {
        drawn.fill(0);
        for (const example of examples) drawn[place[example] as number]! += 1;
      }
      scores.fill(0);
      for (const [pack, answers] of packs.entries()) {
        for (const { from, to } of classes) {
          let counts = dot(drawn, answers, from, to);
          for (let s = pack * together; s < Math.min(perSeed.length, (pack + 1) * together); s++) {
            scores[s]! += (counts % base) / ((to - from) * classes.length);
            counts = Math.floor(counts / base);
          }
        }
      }
      return scores[0] as number;
    };
  });
}

/** Σ a b from one place to another; four sums at once, which do not wait for each other. */
function dot(a: Float64Array, b: Float64Array, from: number, to: number): number {
  let [s0, s1, s2, s3] = [0, 0, 0, 0];
  let i = from;
  for (; i + 3 < to; i += 4) {
    s0 += (a[i] as number) * (b[i] as number);
    s1 += (a[i + 1] as number) * (b[i + 1] as number);
    s2 += (a[i + 2] as number) * (b[i + 2] as number);
    s3 += (a[i + 3] as number) * (b[i + 3] as number);
  }
  for (; i < to; i++) s0 += (a[i] as number) * (b[i] as number);
  return s0 + s1 + s2 + s3;
}
