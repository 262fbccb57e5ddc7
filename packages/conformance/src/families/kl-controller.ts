import { adaptiveKl, type KlObservation } from '@tsrl/advantages';
import { constant } from '@tsrl/core';
import { type GoldenCase, UnmappedError } from '../golden.js';
import { onHost } from '../host.js';
import { has, numberOf, tensorOf, textOf } from '../inputs.js';
import type { Family } from '../outcome.js';

/** A controller of verl's: the coefficient after each of some observations. */
export function verlController(
  golden: GoldenCase,
  type: string,
  initial: number,
): (observations: readonly KlObservation[]) => readonly number[] {
  if (type === 'fixed') return (observations) => observations.map((_, step) => constant(initial)(step));
  if (type !== 'adaptive') throw new UnmappedError(`no controller is called ${type}`);
  const tracker = adaptiveKl({
    initial,
    target: numberOf(golden, 'target_kl'),
    horizon: numberOf(golden, 'horizon'),
  });
  return (observations) => {
    let beta = tracker.initial;
    return observations.map((observation) => {
      beta = tracker.update(beta, observation);
      return beta;
    });
  };
}

/** A case without observations only builds its controller. */
export const klControllerVerl: Family = {
  file: 'kl-controller.verl',
  run(golden) {
    const initial = numberOf(golden, 'init_kl_coef' in golden.params ? 'init_kl_coef' : 'kl_coef');
    const control = verlController(golden, textOf(golden, 'type'), initial);
    const steps = has(golden, 'n_steps') ? tensorOf(golden, 'n_steps').data : [];
    const observations = Array.from(steps, (sequences, i) => ({
      kl: tensorOf(golden, 'current_kl').data[i] as number,
      sequences,
    }));
    return onHost({ values: { shape: [observations.length], data: control(observations) } });
  },
};
