/** One way to answer a prompt: its tokens, how likely the policy is to give it, and what it earns. */
export interface Response {
  readonly probability: number;
  readonly reward: number;
  readonly tokens: readonly {
    readonly logProb: number;
    /** Expected reward in the state before this token. */
    readonly value: number;
    /** ∇ log π(token) in all parameters of the policy. */
    readonly score: readonly number[];
  }[];
}

/** Prompts with all their responses: small enough that expectations are sums. */
export interface Problem {
  readonly prompts: readonly (readonly Response[])[];
  /** ∇ of the expected reward, mean over the prompts. */
  readonly gradient: readonly number[];
}

/** A softmax policy over the arms of one state (fixture 1 of the specification has four). */
export function bandit(logits: readonly number[], rewards: readonly number[]): Problem {
  const probabilities = softmax(logits);
  const value = dot(probabilities, rewards);
  const responses = probabilities.map((probability, arm) => ({
    probability,
    reward: rewards[arm] as number,
    tokens: [{ logProb: Math.log(probability), value, score: scoreOf(probabilities, arm) }],
  }));
  return withGradient([responses]);
}

/** Prompts with these success probabilities, one logit each: right earns 1, wrong 0. */
export function binary(successes: readonly number[]): Problem {
  const prompts = successes.map((p, prompt) => {
    const response = (probability: number, reward: number): Response => {
      const score = successes.map((_, i) => (i === prompt ? reward - p : 0));
      return { probability, reward, tokens: [{ logProb: Math.log(probability), value: p, score }] };
    };
    return [response(p, 1), response(1 - p, 0)];
  });
  return withGradient(prompts);
}

/** Two tokens of two kinds, a softmax in each of three states (fixture 2): 01 and 10 earn 1. */
export function tree(
  root: readonly number[] = [0.2, -0.1],
  next: readonly (readonly number[])[] = [
    [0.5, 0],
    [-0.3, 0.4],
  ],
): Problem {
  const first = softmax(root);
  const second = next.map(softmax);
  const earned = (a: number, b: number): number => (a === b ? 0 : 1);
  const values = second.map((p, a) => p.reduce((sum, q, b) => sum + q * earned(a, b), 0));
  const value = dot(first, values);
  const padded = (state: number, score: readonly number[]): number[] =>
    [0, 1, 2].flatMap((at) => (at === state ? score : [0, 0]));
  const responses = first.flatMap((p, a) =>
    (second[a] as number[]).map((q, b) => ({
      probability: p * q,
      reward: earned(a, b),
      tokens: [
        { logProb: Math.log(p), value, score: padded(0, scoreOf(first, a)) },
        { logProb: Math.log(q), value: values[a] as number, score: padded(a + 1, scoreOf(second[a] as number[], b)) },
      ],
    })),
  );
  return withGradient([responses]);
}

function withGradient(prompts: Problem['prompts']): Problem {
  const size = prompts[0]?.[0]?.tokens[0]?.score.length ?? 0;
  const gradient = Array.from({ length: size }, (_, k) => {
    let sum = 0;
    for (const { probability, reward, tokens } of prompts.flat()) {
      for (const { score } of tokens) sum += probability * reward * (score[k] as number);
    }
    return sum / prompts.length;
  });
  return { prompts, gradient };
}

/** ∇ log softmax(θ)[arm] = e_arm − π. */
const scoreOf = (probabilities: readonly number[], arm: number): number[] =>
  probabilities.map((p, i) => (i === arm ? 1 : 0) - p);

function softmax(logits: readonly number[]): number[] {
  const powers = logits.map(Math.exp);
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

export const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, x, i) => sum + x * (b[i] as number), 0);
