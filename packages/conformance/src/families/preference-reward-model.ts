import type * as tf from '@tensorflow/tfjs-core';
import { bradleyTerry } from '@tsrl/losses';
import { onDevice } from '../device.js';
import { has, numberOf } from '../inputs.js';
import { byFunction, type Family } from '../outcome.js';

const rewardModel =
  ({ margins }: { readonly margins: boolean }): Family['run'] =>
  (golden) =>
    onDevice(golden, { of: 'loss' }, (x) => {
      const scores = {
        chosenScores: x.float<tf.Tensor1D>('chosen_rewards'),
        rejectedScores: x.float<tf.Tensor1D>('rejected_rewards'),
      };
      const loss = bradleyTerry({ centering: numberOf(golden, 'center_rewards_coefficient', 0) });
      const given = margins && has(golden, 'margin') ? { margins: x.float<tf.Tensor1D>('margin') } : {};
      return { loss: loss({ ...scores, ...given }).loss };
    });

/** `LogExpLoss` ignores a margin. */
export const preferenceRewardModel: Family = byFunction('preference.reward-model', {
  'RewardTrainer.compute_loss': rewardModel({ margins: true }),
  PairWiseLoss: rewardModel({ margins: true }),
  LogExpLoss: rewardModel({ margins: false }),
});
