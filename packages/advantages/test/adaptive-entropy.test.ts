import { forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { adaptiveEntropy } from '../src/index.ts';

test('moves towards what keeps the entropy, within its range, and is off above the target', () => {
  const entropies = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 30 });
  forAll([entropies, fc.constantFrom(0.005, 0.3)], (seen, delta) => {
    const tracker = adaptiveEntropy({ delta, range: [0.1, 0.8], initial: 0.4 });
    let state = tracker.initial;
    let c = 0.4;
    for (const entropy of seen) {
      state = tracker.update(state, entropy);
      c = Math.min(0.8, Math.max(0.1, entropy <= 0.2 ? c + delta : c - delta));
      expect(maxError([state.coefficient, state.applied], [c, entropy <= 0.2 ? c : 0])).toBeLessThanOrEqual(1);
    }
    expect(JSON.parse(JSON.stringify(state))).toEqual(state);
  });
});

test('the defaults: 0 before anything was seen, 0.005 after a low entropy, off again after a high one', () => {
  const tracker = adaptiveEntropy();
  expect(tracker.initial).toEqual({ coefficient: 0, applied: 0 });
  const low = tracker.update(tracker.initial, 0.2);
  expect(low).toEqual({ coefficient: 0.005, applied: 0.005 });
  expect(tracker.update(low, 0.21)).toEqual({ coefficient: 0, applied: 0 });
});

test('says what is wrong', () => {
  expect(() => adaptiveEntropy({ delta: 0 })).toThrow('adaptiveEntropy: delta must be positive and finite; got 0');
  expect(() => adaptiveEntropy({ target: Number.NaN })).toThrow('adaptiveEntropy: target must be positive and finite');
  expect(() => adaptiveEntropy({ range: [1, 0] })).toThrow('adaptiveEntropy: range must be two finite numbers');
  expect(() => adaptiveEntropy({ initial: 2 })).toThrow('adaptiveEntropy: initial must be in [0, 1]; got 2');
  const { initial, update } = adaptiveEntropy();
  expect(() => update(initial, Number.NaN)).toThrow('adaptiveEntropy: the entropy must be finite; got NaN');
});
