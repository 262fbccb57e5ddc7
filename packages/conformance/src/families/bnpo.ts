import { betaNormalizer, bnpo, spread } from '@tsrl/advantages';
import { onHost, values } from '../host.js';
import { gridOf, numberOf } from '../inputs.js';
import type { Family } from '../outcome.js';
import { idsOf } from './group-advantages.js';
import { rowSums } from './row-sums.js';

/** The source does not bound α + β. */
export const bnpoFamily: Family = {
  file: 'advantages.bnpo',
  run(golden) {
    const mask = gridOf(golden, 'eos_mask');
    const groups = idsOf(golden, 'index');
    const { advantages, baseline, metrics } = bnpo(
      { rewards: rowSums(gridOf(golden, 'token_level_rewards')), groups },
      {
        range: [numberOf(golden, 'min_value'), numberOf(golden, 'max_value')],
        normalizer: (moments) => betaNormalizer(moments, { maxConcentration: Number.POSITIVE_INFINITY }),
      },
    );
    const perToken = values(spread(advantages, mask));
    const ids = Array.from(groups);
    const means = baseline.filter((_, row) => ids.indexOf(ids[row] as number | string) === row);
    return onHost({
      advantages: perToken,
      returns: perToken,
      alpha: { shape: [], data: [metrics['alpha'] as number] },
      beta: { shape: [], data: [metrics['beta'] as number] },
      group_means: { shape: [means.length], data: means },
    });
  },
};
