import { OptionError } from './errors.js';

/** A quantity that depends on the step (counted from 0): a learning rate, a coefficient. */
export type Schedule = (step: number) => number;

/** The same value at every step. */
export const constant =
  (value: number): Schedule =>
  () =>
    value;

/** A schedule as it is, a number as the constant schedule: options take `number | Schedule`. */
export const toSchedule = (value: number | Schedule): Schedule => (typeof value === 'number' ? constant(value) : value);

/** In a straight line from `from` at step 0 to `to` at step `steps`, and `to` from there on. */
export function linear(from: number, to: number, steps: number): Schedule {
  expectSteps('linear', steps);
  return (step) => (step >= steps ? to : from + (to - from) * (step / steps));
}

/**
 * Half a cosine from `from` at step 0 to `to` at step `steps`, and `to` from there on:
 *
 *   to + (from − to) · (1 + cos(π · step / steps)) / 2
 *
 * @see Loshchilov and Hutter 2017, arXiv:1608.03983, equation 5, without restarts
 */
export function cosine(from: number, to: number, steps: number): Schedule {
  expectSteps('cosine', steps);
  return (step) => (step >= steps ? to : to + ((from - to) * (1 + Math.cos((Math.PI * step) / steps))) / 2);
}

/**
 * Rises in a straight line over the first `steps` steps to where `then` starts, then follows `then`
 * (whose step 0 is step `steps`). Step 0 already moves: it gets 1 / (steps + 1) of the first value.
 */
export function warmup(steps: number, then: number | Schedule): Schedule {
  expectSteps('warmup', steps, 0);
  const after = toSchedule(then);
  return (step) => (step < steps ? (after(0) * (step + 1)) / (steps + 1) : after(step - steps));
}

function expectSteps(who: string, steps: number, least = 1): void {
  if (!(Number.isInteger(steps) && steps >= least)) {
    throw new OptionError(who, 'steps', `an integer of at least ${least}`, steps);
  }
}
