import { entropyTrl, entropyVerl } from './families/entropy.js';
import { gaeHalos, gaeOpenRlhf, gaeSpo, gaeTrlPpo, gaeVerl } from './families/gae.js';
import { klControllerVerl } from './families/kl-controller.js';
import { klPenaltyOpenRlhf, klPenaltySpo, klPenaltyVerl } from './families/kl-penalty.js';
import { logprobsSequence, logprobsTrl, logprobsVerl } from './families/logprobs.js';
import { lossAggregationOpenRlhf, lossAggregationVerl } from './families/loss-aggregation.js';
import {
  maskedStatsNanAware,
  maskedStatsOpenRlhf,
  maskedStatsSpo,
  maskedStatsTrlPpo,
  maskedStatsVerl,
} from './families/masked-stats.js';
import { policyLossVanilla } from './families/policy-loss-vanilla.js';
import { valueLossOpenRlhf, valueLossVerl } from './families/value-loss.js';
import type { Family } from './outcome.js';

/** Every mapping; a new family is one line here. */
export const families: readonly Family[] = [
  entropyTrl,
  entropyVerl,
  gaeHalos,
  gaeOpenRlhf,
  gaeSpo,
  gaeTrlPpo,
  gaeVerl,
  klControllerVerl,
  klPenaltyOpenRlhf,
  klPenaltySpo,
  klPenaltyVerl,
  logprobsSequence,
  logprobsTrl,
  logprobsVerl,
  lossAggregationOpenRlhf,
  lossAggregationVerl,
  maskedStatsNanAware,
  maskedStatsOpenRlhf,
  maskedStatsSpo,
  maskedStatsTrlPpo,
  maskedStatsVerl,
  policyLossVanilla,
  valueLossOpenRlhf,
  valueLossVerl,
];

/** The mapping of a file: `value-loss` takes `value-loss.json` and `value-loss.more.json`; the longest name wins. */
export function familyOf(file: string): Family | undefined {
  const stem = file.replace(/\.json$/, '');
  const fitting = families.filter(
    ({ file: name }) => stem === name || (/^[.-]/.test(stem.slice(name.length)) && stem.startsWith(name)),
  );
  return fitting.sort((a, b) => b.file.length - a.file.length)[0];
}
