import { OptionError } from '@tsrl/core';
import { forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  backwardCorrected,
  bayesThreshold,
  constantReward,
  costWeighted,
  logComplement,
  probReward,
} from '../src/index.ts';

const bit = fc.constantFrom<0 | 1>(0, 1);
const logits = fc.double({ min: -8, max: 8, noNaN: true });
const unit = fc.double({ min: 0, max: 1, noNaN: true });
const size = fc.double({ min: 0.01, max: 10, noNaN: true });
const matrix = fc.record({ truePositive: size, falseNegative: size, trueNegative: size, falsePositive: size });
const flip = (b: 0 | 1): 0 | 1 => (b === 1 ? 0 : 1);
const close = (actual: number, expected: number): void => {
  expect(maxError([actual], [expected], { absolute: 1e-12, relative: 1e-12 })).toBeLessThanOrEqual(1);
};

describe('costWeighted', () => {
  test('is κ c(p_a) U[y][a]', () => {
    forAll([matrix, logits, bit, bit], (costs, logit, action, label) => {
      const u = label === 1 ? [-costs.falseNegative, costs.truePositive] : [costs.trueNegative, -costs.falsePositive];
      const z = action === 1 ? logit : -logit;
      const input = { action, label, logit };
      const of = u[action] as number;
      close(costWeighted(constantReward(), costs)(input), of);
      close(costWeighted(probReward({ kappa: 3 }), costs)(input), (3 * of) / (1 + Math.exp(-z)));
      close(costWeighted(logComplement({ cap: 50 }), costs)(input), of * Math.log(1 + Math.exp(z)));
    });
  });

  test('without costs changes nothing; equal weights of a class are class weights', () => {
    forAll([logits, bit, bit, size, size], (logit, action, label, w0, w1) => {
      const input = { action, label, logit };
      expect(costWeighted(logComplement(), {})(input)).toBe(logComplement()(input));
      const costs = { trueNegative: w0, falsePositive: w0, falseNegative: w1, truePositive: w1 };
      close(costWeighted(logComplement(), costs)(input), logComplement({ classWeights: [w0, w1] })(input));
    });
  });

  test('the gap in the mean over the label is positive exactly above the threshold', () => {
    forAll([matrix, unit, logits], (costs, eta, logit) => {
      const threshold = bayesThreshold(costs);
      fc.pre(Math.abs(eta - threshold) > 1e-9);
      const reward = costWeighted(constantReward(), costs);
      const mean = (action: 0 | 1): number =>
        eta * reward({ action, label: 1, logit }) + (1 - eta) * reward({ action, label: 0, logit });
      expect(mean(1) - mean(0) > 0).toBe(eta > threshold);
      const { truePositive, falseNegative, trueNegative, falsePositive } = costs;
      close(mean(1) - mean(0), eta * (truePositive + falseNegative) - (1 - eta) * (trueNegative + falsePositive));
    });
  });

  test('6. swapping the classes with their costs changes nothing, and turns the threshold round', () => {
    forAll([matrix, logits, bit, bit], (costs, logit, action, label) => {
      const mirror = {
        truePositive: costs.trueNegative,
        trueNegative: costs.truePositive,
        falseNegative: costs.falsePositive,
        falsePositive: costs.falseNegative,
      };
      const there = { action: flip(action), label: flip(label), logit: -logit };
      expect(costWeighted(logComplement(), mirror)(there)).toBe(
        costWeighted(logComplement(), costs)({ action, label, logit }),
      );
      close(bayesThreshold(mirror), 1 - bayesThreshold(costs));
    });
  });

  test('goes under the correction of label noise, which is unbiased for it too', () => {
    forAll([matrix, logits, bit, bit], (costs, logit, action, truth) => {
      const reward = costWeighted(logComplement(), costs);
      const corrected = backwardCorrected(reward, { falsePositive: 0.3, falseNegative: 0.1 });
      const wrong = truth === 1 ? 0.1 : 0.3;
      const mean =
        (1 - wrong) * corrected({ action, label: truth, logit }) +
        wrong * corrected({ action, label: flip(truth), logit });
      expect(maxError([mean], [reward({ action, label: truth, logit })])).toBeLessThanOrEqual(1);
    });
  });
});

describe('bayesThreshold', () => {
  test('the example of 2.4, and the ends', () => {
    close(bayesThreshold({ falsePositive: 1, falseNegative: 5, truePositive: 0, trueNegative: 0 }), 1 / 6);
    expect(bayesThreshold({})).toBe(0.5);
    expect(bayesThreshold({ falsePositive: 0, trueNegative: 0 })).toBe(0);
    expect(bayesThreshold({ falseNegative: 0, truePositive: 0 })).toBe(1);
  });
});

test.each([
  [{ truePositive: -1 }, 'truePositive must be a finite number of at least 0; got -1'],
  [{ falseNegative: Number.POSITIVE_INFINITY }, 'falseNegative must be a finite number of at least 0; got Infinity'],
  [{ falsePositive: Number.NaN }, 'falsePositive must be a finite number of at least 0; got NaN'],
  [
    { truePositive: 0, falseNegative: 0, trueNegative: 0, falsePositive: 0 },
    'costs must be positive for one outcome at least; got {"trueNegative":0,"falsePositive":0,"falseNegative":0,"truePositive":0}',
  ],
])('error %#', (costs, message) => {
  for (const [who, call] of Object.entries({
    costWeighted: () => costWeighted(constantReward(), costs),
    bayesThreshold: () => bayesThreshold(costs),
  })) {
    expect(call).toThrow(OptionError);
    expect(call).toThrow(`${who}: ${message}`);
  }
});
