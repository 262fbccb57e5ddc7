import type { Rng } from '@tsrl/core';

/** A number for class 0 and one for class 1. */
export type ByClass = readonly [number, number];

/**
 * A stochastic grammar without recursion whose choices depend on a class: a literal, parts one after the other, or a
 * choice among parts.
 */
export type Grammar = string | readonly Grammar[] | Choice;

/** Options and their probabilities under each class, which sum to 1. */
export interface Choice {
  readonly options: readonly { readonly part: Grammar; readonly probability: ByClass }[];
}

/**
 * A choice whose options lean to a class: option k has weight sigmoid(l_k) under class 1 and sigmoid(−l_k) under class 0,
 * normalised, so that it is evidence of log-odds l_k (plus a constant, 0 when the leanings are symmetric about 0).
 */
export function leaning(options: readonly (readonly [part: Grammar, leaning: number])[]): Choice {
  const weight = (l: number): number => 1 / (1 + Math.exp(-l));
  const total = (sign: number): number => options.reduce((sum, [, l]) => sum + weight(sign * l), 0);
  const [zeros, ones] = [total(-1), total(1)];
  return { options: options.map(([part, l]) => ({ part, probability: [weight(-l) / zeros, weight(l) / ones] })) };
}

/** A choice that says nothing about the class: each option is equally likely. */
export const oneOf = (parts: readonly Grammar[]): Choice => leaning(parts.map((part) => [part, 0]));

/** A text drawn from a class, and the probability of its derivation under each class. */
export interface Derivation {
  readonly text: string;
  readonly likelihood: ByClass;
}

/** Draws a text given its class. */
export function derive(grammar: Grammar, label: 0 | 1, rng: Rng): Derivation {
  if (typeof grammar === 'string') return { text: grammar, likelihood: [1, 1] };
  if ('options' in grammar) {
    const { part, probability } = choose(grammar, label, rng);
    const { text, likelihood } = derive(part, label, rng);
    return { text, likelihood: times(probability, likelihood) };
  }
  const parts = grammar.map((part) => derive(part, label, rng));
  return {
    text: parts.map(({ text }) => text).join(''),
    likelihood: parts.reduce<ByClass>((product, part) => times(product, part.likelihood), [1, 1]),
  };
}

function choose({ options }: Choice, label: 0 | 1, rng: Rng): Choice['options'][number] {
  let left = rng.uniform();
  for (const option of options) {
    left -= option.probability[label];
    if (left < 0) return option;
  }
  return options.at(-1) as Choice['options'][number]; // the probabilities sum to 1 up to rounding
}

/** P(text | class): the sum over all derivations of the whole text, [0, 0] when there is none. */
export function likelihoodOf(grammar: Grammar, text: string): ByClass {
  return inside(grammar, text, 0).get(text.length) ?? [0, 0];
}

/** For every position at which a derivation that begins at `start` can end: the probability of those that do. */
function inside(grammar: Grammar, text: string, start: number): Map<number, ByClass> {
  if (typeof grammar === 'string') {
    return new Map(text.startsWith(grammar, start) ? [[start + grammar.length, [1, 1]]] : []);
  }
  const ends = new Map<number, ByClass>();
  const collect = (end: number, likelihood: ByClass): void => {
    const [zero, one] = ends.get(end) ?? [0, 0];
    ends.set(end, [zero + likelihood[0], one + likelihood[1]]);
  };
  if ('options' in grammar) {
    for (const { part, probability } of grammar.options) {
      for (const [end, likelihood] of inside(part, text, start)) collect(end, times(probability, likelihood));
    }
    return ends;
  }
  const [first, ...rest] = grammar;
  if (first === undefined) return new Map([[start, [1, 1]]]);
  for (const [middle, before] of inside(first, text, start)) {
    for (const [end, after] of inside(rest, text, middle)) collect(end, times(before, after));
  }
  return ends;
}

/**
 * The distribution of the evidence: the total probability, under each class, of all derivations with the same likelihood
 * ratio. Exact, and small although the derivations are many.
 */
export function evidenceOf(grammar: Grammar): readonly ByClass[] {
  if (typeof grammar === 'string') return [[1, 1]];
  if ('options' in grammar) {
    return merged(
      grammar.options.flatMap(({ part, probability }) => evidenceOf(part).map((each) => times(probability, each))),
    );
  }
  return grammar.reduce<readonly ByClass[]>(
    (left, part) => {
      const right = evidenceOf(part);
      return merged(left.flatMap((a) => right.map((b) => times(a, b))));
    },
    [[1, 1]],
  );
}

function merged(all: readonly ByClass[]): readonly ByClass[] {
  const byRatio = new Map<number, ByClass>();
  for (const [zero, one] of all) {
    const ratio = Math.round(Math.log(one / zero) * 1e9);
    const [zeros, ones] = byRatio.get(ratio) ?? [0, 0];
    byRatio.set(ratio, [zeros + zero, ones + one]);
  }
  return [...byRatio.values()];
}

const times = (a: ByClass, b: ByClass): ByClass => [a[0] * b[0], a[1] * b[1]];
