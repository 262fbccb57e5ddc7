import { createRng, permutation } from '@tsrl/core';
import { forAllAsync } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RewardEntry } from '../src/index.ts';

const n = 100_000;
const times = (part: string): string => part.repeat(Math.ceil(n / part.length)).slice(0, n);

/** Texts that are hard on scanners: long, nested, unbalanced, nearly what is looked for. */
export const hostileTexts: readonly string[] = [
  '',
  '\u0000',
  '\ud800',
  '\udc00\ud800 \\boxed{\ud800}',
  ...[
    ' ',
    'a',
    '9',
    '9,',
    '.',
    '-',
    '{',
    '}',
    '(',
    '[',
    '"',
    '\\',
    '$',
    '#### ',
    '#### 1,',
    '\\boxed{',
    '\\boxed ',
    '\\boxed{}',
    'answer is ',
    'Answer   ',
    'answer:\n',
    '<answer>',
    '</answer>',
    '<answer></answer>',
    '<think>',
    '</think>',
    '```json\n',
    '[1,',
    '{"a":',
    '{"a":1,',
    '\\frac{1}{',
    '\\text{ ',
    '$x$',
    '=',
    ',',
    'the ',
    'A',
    '\ud800',
  ].map(times),
  `\\boxed{${'('.repeat(300)}}`,
  `\\boxed{${'(1+'.repeat(12)}}`,
  `\\boxed{${'\\ln('.repeat(11)}+${')'.repeat(11)}}`,
  `\\boxed{2^{1000000000}}`,
  `\\boxed{9^{9^{9^{9}}}}`,
  `\\boxed{99999999999!!!!}`,
  `\\boxed{${'\\frac{1}{'.repeat(11)}2${'}'.repeat(12)}`,
  `\\boxed{${'x'.repeat(390)}}`,
  `\\boxed{${'1-x'.repeat(130)}}`,
  `\\boxed{${'1,'.repeat(490)}1}`,
  `\\boxed{${'\\{'.repeat(200)}}`,
  `\\boxed{${'|'.repeat(300)}}`,
  `\\boxed{${'9'.repeat(390)}}`,
  `\\boxed{1e999999999}`,
  `\\boxed{__proto__}`,
  `\\boxed{\\constructor}`,
];

/** UTF-16 of any kind, lone surrogates included; fast-check's own `binary` takes seconds to be made. */
export const anyText: fc.Arbitrary<string> = fc.string({
  unit: fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)),
});

/** Every law of {@link RewardEntry}, over a registry. */
export function rewardLaws(entries: Readonly<Record<string, RewardEntry>>): void {
  describe.each(Object.values(entries))('$name', ({ example, laws, range, inapplicable, score }) => {
    const [low, high] = range;
    const sizes = fc.integer({ min: 1, max: 8 });
    const batch = (seed: number, size: number): object[] => {
      const rng = createRng(seed);
      return Array.from({ length: size }, () => example(rng));
    };

    test('gives one score in its range per sample, the same again, and leaves the samples alone', async () => {
      expect(await score([])).toEqual([]);
      await forAllAsync([fc.nat(), sizes], async (seed, size) => {
        const samples = batch(seed, size);
        const scores = await score(samples);
        expect(scores).toHaveLength(size);
        for (const one of scores) {
          if (one !== null) expect(one >= low && one <= high && Number.isFinite(one)).toBe(true);
        }
        expect(samples).toEqual(batch(seed, size));
        expect(await score(samples)).toEqual(scores);
      });
    });

    test('does not depend on the order of the samples', async () => {
      await forAllAsync([fc.nat(), sizes], async (seed, size) => {
        const samples = batch(seed, size);
        const scores = await score(samples);
        const order = Array.from(permutation(size, createRng(seed)));
        const permuted = await score(order.map((i) => samples[i] as object));
        expect(permuted).toEqual(order.map((i) => scores[i]));
      });
    });

    test.runIf(laws.includes('independent'))('scores a batch like its samples one by one', async () => {
      await forAllAsync([fc.nat(), sizes], async (seed, size) => {
        const samples = batch(seed, size);
        const single = await Promise.all(samples.map(async (sample) => (await score([sample]))[0]));
        expect(await score(samples)).toEqual(single);
      });
    });

    test.runIf(inapplicable !== undefined)('is null where it does not apply, whatever stands beside', async () => {
      await forAllAsync([fc.nat(), sizes], async (seed, size) => {
        const scores = await score([...batch(seed, size), inapplicable as object]);
        expect(scores.at(-1)).toBeNull();
      });
    });

    test.runIf(laws.includes('text'))('scores any text', async () => {
      const words = fc.constantFrom(
        '\\boxed{',
        '}',
        '####',
        '<answer>',
        '</answer>',
        '12',
        '.',
        '\\frac',
        '{"a":',
        ']',
      );
      const text = fc.oneof(
        anyText,
        fc.array(words, { maxLength: 30 }).map((parts) => parts.join('')),
      );
      await forAllAsync([fc.nat(), text], async (seed, completion) => {
        const [one] = await score([{ ...batch(seed, 1)[0], completion }]);
        expect(one === null || (one !== undefined && one >= low && one <= high)).toBe(true);
      });
    });

    test.runIf(laws.includes('text'))('is done with hostile text at once', async () => {
      // Work that is quadratic in 100 000 characters takes minutes, exponential work never ends: beyond the time limit
      // of a test. Linear work takes milliseconds.
      for (const completion of hostileTexts) {
        const [one] = await score([{ ...batch(1, 1)[0], completion }]);
        expect(one === null || (one !== undefined && one >= low && one <= high)).toBe(true);
      }
    });
  });
}
