import { bySample, type Combine } from './composed.js';

/**
 * R = min r_m over the components that apply; `null` where none does. Of an ensemble of reward models it is the worst
 * case.
 *
 * @see Coste et al. 2023, arXiv:2310.02743
 */
export const minimum = (): Combine => (scores) =>
  bySample(scores, (row) => {
    const applying = row.filter((score) => score !== null);
    return applying.length === 0 ? null : applying.reduce((least, score) => Math.min(least, score));
  });
