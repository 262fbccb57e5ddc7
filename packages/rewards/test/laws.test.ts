import { forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as rewards from '../src/index.ts';
import { confidenceRewards } from '../src/registry.ts';

const logits = fc.oneof(
  fc.double({ min: -12, max: 12, noNaN: true }),
  fc.double({ min: -1e4, max: 1e4, noNaN: true }),
  fc.constantFrom(0, -0, 1e4, -1e4),
);
const bit = fc.constantFrom<0 | 1>(0, 1);
const caps = fc.constantFrom(0.2, 5, Number.POSITIVE_INFINITY);
const scale = fc.double({ min: 0.01, max: 50, noNaN: true });
const flip = (b: 0 | 1): 0 | 1 => (b === 1 ? 0 : 1);
const exact = { absolute: 0, relative: 1e-14 };

test('the registry holds every member under its own name', () => {
  const names = ['constantReward', 'probReward', 'logComplement', 'surprise', 'printed', 'margin', 'marginFloor'];
  expect(Object.keys(confidenceRewards).sort()).toEqual([...names, 'power', 'logScore', 'tempered'].sort());
  for (const name of Object.keys(confidenceRewards)) expect(rewards).toHaveProperty(name);
});

describe.each(Object.values(confidenceRewards))('$name', ({ create, laws }) => {
  test('is indifferent to swapping the classes', () => {
    forAll([logits, bit, bit, caps, scale, scale], (logit, action, label, cap, w0, w1) => {
      const reward = create({ cap, classWeights: [w0, w1] })({ action, label, logit });
      const swapped = create({ cap, classWeights: [w1, w0] });
      expect(swapped({ action: flip(action), label: flip(label), logit: -logit })).toBe(reward);
    });
  });

  test('is linear in kappa and in the weight of its class, and blind to the other weight', () => {
    forAll([logits, bit, bit, caps, scale, scale], (logit, action, label, cap, kappa, weight) => {
      const input = { action, label, logit };
      const unit = create({ cap })(input);
      const classWeights: [number, number] = label === 1 ? [7, weight] : [weight, 7];
      expect(maxError([create({ cap, kappa, classWeights })(input)], [kappa * weight * unit], exact)).toBeLessThan(1);
    });
  });

  test('is finite for every logit up to 1e4 and every cap', () => {
    forAll([logits, bit, bit, caps], (logit, action, label, cap) => {
      expect(create({ cap })({ action, label, logit })).toSatisfy(Number.isFinite);
    });
  });

  test('is deterministic and depends on nothing between calls', () => {
    forAll([logits, logits, bit, bit], (logit, other, action, label) => {
      const reward = create();
      const first = reward({ action, label, logit });
      reward({ action: flip(action), label, logit: other });
      expect(reward({ action, label, logit })).toBe(first);
    });
  });

  if (laws.includes('antisymmetric')) {
    test('turns its sign with the label', () => {
      forAll([logits, bit, bit, caps], (logit, action, label, cap) => {
        const reward = create({ cap });
        expect(reward({ action, label: flip(label), logit }) + reward({ action, label, logit })).toBe(0);
      });
    });
  }

  test('has a gap of the declared sign', () => {
    const signs = ['positive-gap', 'negative-gap', 'zero-gap-at-one-half'] as const;
    expect(laws.filter((law) => (signs as readonly string[]).includes(law))).toHaveLength(1);
    forAll([logits, bit, caps], (logit, label, cap) => {
      const reward = create({ cap });
      const gap = reward({ action: label, label, logit }) - reward({ action: flip(label), label, logit });
      if (laws.includes('positive-gap')) expect(gap).toBeGreaterThan(0);
      else if (laws.includes('negative-gap')) expect(gap).toBeLessThan(0);
      else if (Math.abs(logit) > 1e-300) expect(gap).toBeGreaterThan(0);
      else expect(Math.abs(gap)).toBeLessThan(1e-299);
    });
  });

  if (laws.includes('capped')) {
    test('never exceeds its cap', () => {
      forAll([logits, bit, bit, caps], (logit, action, label, cap) => {
        expect(Math.abs(create({ cap })({ action, label, logit }))).toBeLessThanOrEqual(cap);
      });
    });
  }
});
