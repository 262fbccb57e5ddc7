import { createRng } from '@tsrl/core';
import { float64, forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ByClass, derive, evidenceOf, type Grammar, leaning, likelihoodOf, oneOf } from '../src/grammar.ts';
import {
  type BayesOptimal,
  bayesOptimal,
  classCounts,
  flipLabels,
  subsampleToImbalance,
  supportTriage,
  type TriageExample,
  triageOptimum,
  triagePosterior,
} from '../src/index.ts';
import { triageGrammar } from '../src/triage-grammar.ts';

/** Every derivation of a grammar, one by one. */
function derivations(grammar: Grammar): { text: string; zero: number; one: number }[] {
  if (typeof grammar === 'string') return [{ text: grammar, zero: 1, one: 1 }];
  if ('options' in grammar) {
    return grammar.options.flatMap(({ part, probability }) =>
      derivations(part).map(({ text, zero, one }) => ({
        text,
        zero: zero * probability[0],
        one: one * probability[1],
      })),
    );
  }
  let all = [{ text: '', zero: 1, one: 1 }];
  for (const part of grammar) {
    const next = derivations(part);
    all = all.flatMap((a) => next.map((b) => ({ text: a.text + b.text, zero: a.zero * b.zero, one: a.one * b.one })));
  }
  return all;
}

const sizeOf = (grammar: Grammar): number => {
  if (typeof grammar === 'string') return 1;
  if ('options' in grammar) return grammar.options.reduce((sum, { part }) => sum + sizeOf(part), 0);
  return grammar.reduce((product, part) => product * sizeOf(part), 1);
};

/** Ends of all derivations from `start`, with repetition. */
const endsOf = (grammar: Grammar, text: string, start: number): number[] => {
  if (typeof grammar === 'string') return text.startsWith(grammar, start) ? [start + grammar.length] : [];
  if ('options' in grammar) return grammar.options.flatMap(({ part }) => endsOf(part, text, start));
  return grammar.reduce<number[]>((ends, part) => ends.flatMap((end) => endsOf(part, text, end)), [start]);
};

describe('grammar', () => {
  /** Small and ambiguous: 'a' + 'b' and 'ab' + '' are the same text. */
  const { grammar } = fc.letrec<{ grammar: Grammar }>((tie) => ({
    grammar: fc.oneof(
      { maxDepth: 3 },
      fc.constantFrom('a', 'b', 'ab', ''),
      fc.array(tie('grammar'), { maxLength: 3 }),
      fc
        .array(fc.tuple(tie('grammar'), fc.double({ min: -3, max: 3, noNaN: true })), { minLength: 1, maxLength: 3 })
        .map(leaning),
    ),
  }));
  const small = grammar.filter((each) => sizeOf(each) <= 2000);

  test('likelihoodOf sums over all derivations of a text, and the texts sum to 1', () => {
    forAll([small], (each) => {
      const texts = new Map<string, [number, number]>();
      for (const { text, zero, one } of derivations(each)) {
        const [zeros, ones] = texts.get(text) ?? [0, 0];
        texts.set(text, [zeros + zero, ones + one]);
      }
      for (const [text, expected] of texts) expect(maxError(likelihoodOf(each, text), expected)).toBeLessThan(1);
      for (const text of ['', 'a', 'abab', 'c']) {
        if (!texts.has(text)) expect(likelihoodOf(each, text)).toEqual([0, 0]);
      }
      const total = [...texts.values()].reduce(([a, b], [c, d]) => [a + c, b + d], [0, 0]);
      expect(maxError(total, [1, 1])).toBeLessThan(1);
    });
  });

  test('evidenceOf keeps what decides between the classes', () => {
    // Total variation and the probabilities of the events {ratio >= r} do not change when equal ratios merge.
    forAll([small, fc.double({ min: -6, max: 6, noNaN: true })], (each, threshold) => {
      const summary = (masses: readonly (readonly [number, number])[]) => {
        const above = masses.filter(([zero, one]) => Math.log(one / zero) > threshold);
        return [
          masses.reduce((sum, [zero, one]) => sum + Math.abs(zero - one), 0),
          above.reduce((sum, [zero]) => sum + zero, 0),
          above.reduce((sum, [, one]) => sum + one, 0),
        ];
      };
      const all = derivations(each).map(({ zero, one }) => [zero, one] as const);
      fc.pre(all.every(([zero, one]) => Math.abs(Math.log(one / zero) - threshold) > 1e-8));
      // merging rounds log-ratios to 1e-9
      expect(maxError(summary(evidenceOf(each)), summary(all), { absolute: 2e-9, relative: 1e-7 })).toBeLessThan(1);
    });
  });

  test('derive draws each text as often as its class says', () => {
    const each: Grammar = [
      leaning([
        ['x', 2],
        ['y', -1],
        ['z', 0],
      ]),
      oneOf(['1', '2']),
    ];
    const rng = createRng(5);
    const n = 20_000;
    for (const label of [0, 1] as const) {
      const seen = new Map<string, number>();
      for (let i = 0; i < n; i++) {
        const { text, likelihood } = derive(each, label, rng);
        expect(maxError(likelihood, likelihoodOf(each, text))).toBeLessThan(1e-3);
        seen.set(text, (seen.get(text) ?? 0) + 1);
      }
      for (const { text, zero, one } of derivations(each)) {
        const p = label === 1 ? one : zero;
        expect(Math.abs((seen.get(text) ?? 0) - n * p)).toBeLessThan(4 * Math.sqrt(n * p * (1 - p))); // 4 sigma
      }
    }
  });

  test('symmetric leanings are log-odds', () => {
    const { options } = leaning([
      ['a', 1.5],
      ['b', -1.5],
      ['c', 0],
    ]);
    const ratios = options.map(({ probability: [zero, one] }) => Math.log(one / zero));
    expect(maxError(ratios, [1.5, -1.5, 0])).toBeLessThan(1e-3);
  });
});

const logit = (p: number): number => Math.log(p / (1 - p));

/** Whether, in each of 20 bins of the claimed probability, as many labels are 1 as claimed, within 4 sigma. */
function expectCalibrated(claims: readonly number[], labels: readonly number[]): void {
  let bins = 0;
  for (let bin = 0; bin < 20; bin++) {
    const inside = claims.flatMap((p, i) => (Math.min(19, Math.floor(p * 20)) === bin ? [i] : []));
    if (inside.length < 30) continue;
    bins++;
    const sum = (f: (p: number) => number): number => inside.reduce((total, i) => total + f(claims[i] as number), 0);
    const ones = inside.reduce((total, i) => total + (labels[i] as number), 0);
    expect(Math.abs(ones - sum((p) => p)), `bin ${bin}`).toBeLessThan(4 * Math.sqrt(sum((p) => p * (1 - p))));
  }
  expect(bins).toBeGreaterThanOrEqual(10);
}

describe('supportTriage', () => {
  const sample = supportTriage(40_000, createRng(6));

  test('the posterior is the frequency of the label, under any prior', () => {
    expectCalibrated(
      sample.map(({ posterior }) => posterior),
      sample.map(({ label }) => label),
    );
    const rare = supportTriage(40_000, createRng(7), { prior: 0.1 });
    expectCalibrated(
      rare.map(({ posterior }) => posterior),
      rare.map(({ label }) => label),
    );
    expect(Math.abs(classCounts(rare)[1] - 4000)).toBeLessThan(4 * Math.sqrt(40_000 * 0.09)); // 4 sigma
  });

  test('parsing the text gives the posterior again', () => {
    for (const prior of [0.5, 0.03]) {
      for (const { text, posterior } of supportTriage(1000, createRng(8), { prior })) {
        expect(Math.abs(triagePosterior(text, { prior }) - posterior)).toBeLessThan(1e-12);
      }
    }
  });

  test('every text has one derivation, and there are more than a million', () => {
    for (const { text } of sample.slice(0, 1000)) {
      expect(endsOf(triageGrammar, text, 0).filter((end) => end === text.length)).toHaveLength(1);
    }
    expect(sizeOf(triageGrammar)).toBeGreaterThan(1e6);
  });

  test('the grammar is a distribution under both classes', () => {
    const total = evidenceOf(triageGrammar).reduce<ByClass>(([a, b], [c, d]) => [a + c, b + d], [0, 0]);
    expect(maxError(total, [1, 1])).toBeLessThan(1);
  });

  test('messages have 6 to 20 words, are whole sentences, and are never certain', () => {
    const bad = sample.filter(({ text, posterior }) => {
      const words = text.split(' ').length;
      const written = /^[A-Z][A-Za-z ,.!']+$/.test(text.replaceAll('?', '.')) && !/ {2}| [.,!]|[.!] [a-z]/.test(text);
      return !(words >= 6 && words <= 20 && written && posterior > 0 && posterior < 1);
    });
    expect(bad).toEqual([]);
  });

  test('single words are not enough: logistic regression on them stays far below the optimum', () => {
    const index = new Map<string, number>();
    const bags = sample.slice(0, 20_000).map(({ text, label }) => {
      const words = new Set(text.toLowerCase().match(/[a-z']+/g));
      for (const word of words) if (!index.has(word)) index.set(word, index.size);
      return { words: Int32Array.from(words, (word) => index.get(word) as number), label };
    });
    const weights = new Float64Array(index.size);
    const score = (words: Int32Array): number => words.reduce((sum, word) => sum + (weights[word] as number), 0);
    for (let epoch = 0; epoch < 20; epoch++) {
      for (const { words, label } of bags.slice(0, 15_000)) {
        const step = (0.05 / (1 + epoch / 4)) * (label - 1 / (1 + Math.exp(-score(words))));
        for (const word of words) weights[word] = (weights[word] as number) + step;
      }
    }
    const test = bags.slice(15_000);
    const accuracy = test.filter(({ words, label }) => score(words) > 0 === (label === 1)).length / test.length;
    expect(accuracy).toBeGreaterThan(0.78); // measured: 0.804 (standard error 0.006)
    expect(accuracy).toBeLessThan(0.84);
  });

  test('the words that turn a sentence around say little by themselves', () => {
    for (const word of [' not ', 'fter ', 'efore ']) {
      const share = [0, 1].map((label) => {
        const of = sample.filter((each) => each.label === label);
        return of.filter(({ text }) => text.includes(word)).length / of.length;
      }) as [number, number];
      expect(share[0]).toBeGreaterThan(0.1);
      expect(Math.abs(share[0] - share[1]), word).toBeLessThan(0.03);
    }
    const now = 'My account was locked after the audit. This is urgent. Please advise.';
    const past = now.replace('after', 'before');
    expect(triagePosterior(now)).toBeGreaterThan(0.99);
    expect(triagePosterior(past)).toBeLessThan(triagePosterior(now) - 0.1);
    expect(triagePosterior(past.replace('is urgent', 'is not urgent'))).toBeLessThan(0.05);
  });

  test('the prior adds its log-odds to those of the text', () => {
    forAll([fc.nat({ max: sample.length - 1 }), fc.double({ min: 0.01, max: 0.99, noNaN: true })], (i, prior) => {
      const { text, posterior } = sample[i] as TriageExample;
      const moved = logit(triagePosterior(text, { prior }));
      expect(maxError([moved], [logit(posterior) + logit(prior)])).toBeLessThan(1);
    });
  });

  test('after subsampleToImbalance the posterior is that of prior 1 / (1 + ratio)', () => {
    const rare = subsampleToImbalance(sample.slice(0, 16_000), { ratio: 9 }, createRng(9));
    const [zeros, ones] = classCounts(rare);
    const prior = ones / (zeros + ones);
    expect(Math.abs(prior - 0.1)).toBeLessThan(1e-4);
    expectCalibrated(
      rare.map(({ text }) => triagePosterior(text, { prior })),
      rare.map(({ label }) => label),
    );
  });

  test('after flipLabels the observed label has posterior (1 − e1) p + e0 (1 − p)', () => {
    const [falseNegative, falsePositive] = [0.3, 0.1];
    const { examples } = flipLabels(sample, { falseNegative, falsePositive }, createRng(10));
    const claims = sample.map(({ posterior: p }) => (1 - falseNegative) * p + falsePositive * (1 - p));
    expect(Math.min(...claims)).toBeGreaterThanOrEqual(0.1);
    expectCalibrated(
      claims,
      examples.map(({ label }) => label),
    );
  });

  test('seeds repeat and differ', () => {
    expect(supportTriage(50, createRng(11))).toEqual(supportTriage(50, createRng(11)));
    expect(supportTriage(50, createRng(11))).toEqual(supportTriage(60, createRng(11)).slice(0, 50));
    expect(supportTriage(50, createRng(11))).not.toEqual(supportTriage(50, createRng(12)));
    expect(new Set(sample.map(({ text }) => text)).size).toBeGreaterThan(0.98 * sample.length);
  });

  test('refuses what is not a message, a count or a prior', () => {
    for (const text of ['', 'Hello!', `${sample[0]?.text} `, sample[0]?.text.toUpperCase() ?? '']) {
      expect(() => triagePosterior(text)).toThrow('triagePosterior: text must be a message of supportTriage; got "');
    }
    expect(() => supportTriage(0, createRng(1))).toThrow(
      'supportTriage: count must be an integer of at least 1; got 0',
    );
    for (const prior of [0, 1, Number.NaN]) {
      const message = `prior must be in (0, 1); got ${prior}`;
      expect(() => supportTriage(1, createRng(1), { prior })).toThrow(`supportTriage: ${message}`);
      expect(() => triagePosterior(sample[0]?.text ?? '', { prior })).toThrow(`triagePosterior: ${message}`);
      expect(() => triageOptimum({ prior })).toThrow(`triageOptimum: ${message}`);
    }
  });

  test('golden: a change of the phrases changes these, and every published number', () => {
    const optimum = triageOptimum();
    expect(optimum.accuracy).toBeCloseTo(0.9437693144, 9);
    expect(optimum.balancedAccuracy).toBeCloseTo(0.9437693144, 9);
    expect(optimum.auroc).toBeCloseTo(0.9873502589, 9);
  });
});

describe('Bayes optimum', () => {
  const metrics = ({ accuracy, balancedAccuracy, f1, auroc }: BayesOptimal) => [accuracy, balancedAccuracy, f1, auroc];
  const examples = fc
    .array(
      fc.record({
        posterior: fc.oneof(fc.constantFrom(0.25, 0.5, 0.75), fc.double({ min: 0.01, max: 0.99, noNaN: true })),
        label: fc.constantFrom<0 | 1>(0, 1),
      }),
      { minLength: 2, maxLength: 30 },
    )
    .filter((all) => new Set(all.map(({ label }) => label)).size === 2);

  test('is the formulas of its documentation, with expected and with drawn labels', () => {
    forAll([examples, fc.constantFrom<'expected' | 'drawn'>('expected', 'drawn')], (all, labels) => {
      const p = all.map(({ posterior }) => posterior);
      const ones = labels === 'expected' ? p : all.map(({ label }) => label as number);
      const n = p.length;
      const prior = p.reduce((a, b) => a + b, 0) / n;
      fc.pre(p.every((each) => Math.abs(each - prior) > 1e-9));
      let [right, positives, truePositives, negatives, trueNegatives, ordered] = [0, 0, 0, 0, 0, 0];
      for (let i = 0; i < n; i++) {
        const [pi, one] = [p[i] as number, ones[i] as number];
        right += pi > 0.5 ? one : 1 - one;
        positives += one;
        negatives += 1 - one;
        if (pi > prior) truePositives += one;
        else trueNegatives += 1 - one;
        for (let j = 0; j < n; j++) {
          const pj = p[j] as number;
          ordered += one * (1 - (ones[j] as number)) * (pi > pj ? 1 : pi === pj ? 0.5 : 0);
        }
      }
      const f1 = (weights: readonly number[], t: number): number => {
        const above = weights.filter((_, i) => (p[i] as number) > t);
        const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
        return (2 * sum(above)) / (above.length + sum(weights));
      };
      const inExpectation = [0, ...p].map((t) => f1(p, t));
      const best = Math.max(...inExpectation);
      fc.pre(inExpectation.every((value) => value === best || value < best - 1e-9));
      const threshold = [0, ...p][inExpectation.indexOf(best)] as number;
      const expected = [
        right / n,
        (truePositives / positives + trueNegatives / negatives) / 2,
        f1(ones, threshold),
        ordered / (positives * negatives),
      ];
      expect(maxError(metrics(bayesOptimal(all, { labels })), expected)).toBeLessThan(1);
    });
  });

  test('no threshold does better, nor does turning a decision around', () => {
    forAll([examples, fc.double({ min: 0, max: 1, noNaN: true })], (all, threshold) => {
      const p = all.map(({ posterior }) => posterior);
      const ones = p.reduce((a, b) => a + b, 0);
      const zeros = p.length - ones;
      const above = p.filter((each) => each > threshold);
      const below = p.filter((each) => each <= threshold);
      const truePositive = above.reduce((a, b) => a + b, 0);
      const trueNegative = below.reduce((a, b) => a + 1 - b, 0);
      const best = bayesOptimal(all);
      expect(best.accuracy).toBeGreaterThanOrEqual((truePositive + trueNegative) / p.length - 1e-12);
      expect(best.balancedAccuracy).toBeGreaterThanOrEqual((truePositive / ones + trueNegative / zeros) / 2 - 1e-12);
      const meanOfMax = p.reduce((sum, each) => sum + Math.max(each, 1 - each), 0) / p.length;
      expect(maxError([best.accuracy], [meanOfMax])).toBeLessThan(1);
    });
  });

  test.each([0.5, 0.1])('samples at prior %f scatter about the sum over the grammar', (prior) => {
    const whole = triageOptimum({ prior });
    const runs = 30;
    const rng = createRng(13);
    for (const labels of ['expected', 'drawn'] as const) {
      const results = Array.from({ length: runs }, () =>
        metrics(bayesOptimal(supportTriage(2000, rng, { prior }), { labels })),
      );
      metrics(whole).forEach((truth, k) => {
        const values = results.map((each) => each[k] as number);
        const mean = values.reduce((a, b) => a + b, 0) / runs;
        const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (runs - 1);
        expect(Math.abs(mean - truth)).toBeLessThan(4 * Math.sqrt(variance / runs)); // 4 standard errors
      });
    }
  });

  test('AUROC and balanced accuracy do not depend on the prior', () => {
    const free = ({ balancedAccuracy, auroc }: BayesOptimal) => [balancedAccuracy, auroc];
    const atHalf = free(triageOptimum());
    for (const prior of [0.01, 0.1, 0.3, 0.8, 0.99]) {
      const optimum = triageOptimum({ prior });
      const { accuracy } = optimum;
      expect(maxError(free(optimum), atHalf, float64)).toBeLessThan(1);
      expect(accuracy).toBeGreaterThanOrEqual(Math.max(prior, 1 - prior));
    }
  });

  test('refuses what has no optimum', () => {
    expect(() => bayesOptimal([])).toThrow('bayesOptimal: examples must be of both classes; got [0,0]');
    expect(() => bayesOptimal([{ posterior: 0.4, label: 1 }], { labels: 'drawn' })).toThrow(
      'bayesOptimal: examples must be of both classes; got [0,1]',
    );
    expect(() => bayesOptimal([{ posterior: 1.2, label: 1 }])).toThrow(
      'bayesOptimal: posterior must be in [0, 1]; got 1.2',
    );
    expect(() => bayesOptimal([{ posterior: 0.2, label: 1 }], { labels: 'both' as 'drawn' })).toThrow(
      `bayesOptimal: labels must be 'expected' or 'drawn'; got "both"`,
    );
  });
});
