import { type Grid, gridOf, isTsrlError } from '@tsrl/core';
import { forAll, maxError } from '@tsrl/testing';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { discountedReturns, gae, lambdaReturns, nStep, vTrace } from '../src/index.ts';
import { poisoned, real, type Trajectories, trajectories, unit, validOf } from './trajectories.ts';

const close = { absolute: 1e-10, relative: 1e-10 };
const expectClose = (got: ArrayLike<number>, expected: ArrayLike<number>, within = close): void =>
  expect(maxError(got, expected, within)).toBeLessThanOrEqual(1);
const only = (values: readonly number[]): Grid => gridOf([values]);
const like = (grid: Grid, f: (at: number) => number): Grid => ({ ...grid, data: grid.data.map((_, at) => f(at)) });

/** f(valid positions of the row, number of the token in it, row) at every valid token, 0 elsewhere. */
function perToken(mask: Grid, f: (valid: readonly number[], i: number, row: number) => number): Float64Array {
  const out = new Float64Array(mask.data.length);
  validOf(mask).forEach((valid, row) => {
    valid.forEach((at, i) => {
      out[at] = f(valid, i, row);
    });
  });
  return out;
}

/** The value of the state before token i of a row, or after its last. */
const stateValue = ({ values, bootstrap }: Trajectories, valid: readonly number[], i: number, row: number): number =>
  (i < valid.length ? values.data[valid[i] as number] : bootstrap[row]) as number;

describe('against rlax', () => {
  // advantages.multistep.rlax, the cases named short
  const [r, v] = [
    [-0.3419, 0.2362, 0.0861, -1.5739, 0.8203],
    [-0.2344, 0.672, -0.3787, 0.0725, 1.4698],
  ] as const;
  const inputs = { rewards: only(r), values: only(v), mask: only([1, 1, 1, 1, 1]), bootstrap: [-1.6693] };
  const ratios = only([0.8465, 0.8891, 1.5677, 0.8048, 0.4158]);
  const digits = { absolute: 1e-9, relative: 1e-9 };

  test('lambda and n-step returns', () => {
    const g = lambdaReturns(inputs, { gamma: 0.97, lambda: 0.8 });
    expectClose(g.data, [-0.9168586036, -0.9089260356, -1.381002881, -1.908721496, -0.798921], digits);
    const n = nStep(inputs, { steps: 3, gamma: 0.97 });
    expectClose(n.returns.data, [0.0343942825, 0.1802812654, -2.192287769, -2.34885337, -0.798921], digits);
  });

  test('V-trace, its advantages, and importance-corrected errors', () => {
    const trace = vTrace({ ...inputs, ratios }, { gamma: 0.97, lambda: 0.95 });
    expectClose(trace.errors.data, [-0.2708460439, -0.9379271692, -0.2732268285, -0.8772130532, -0.9433341918], digits);
    expectClose(trace.advantages.data, trace.errors.data, digits); // for in this case no ratio but one is clipped
    const q = [-0.5543598865, -0.3829175225, -0.6519268285, -1.017476458, -0.798921];
    expectClose(trace.actionValues.data, q, digits);
    expect(trace.metrics).toEqual({ tokens: 5, emptyRows: 0, clipped: 0.2 });
    const free = vTrace({ ...inputs, ratios }, { gamma: 0.97, lambda: 0.9, clipRho: Infinity, clipTrace: Infinity });
    expectClose(free.errors.data, [-0.2454406016, -0.9556558427, -0.3112469008, -0.8403920784, -0.9433341918], digits);
  });
});

describe('lambdaReturns', () => {
  test('is the mixture of the n-step returns', () => {
    forAll([trajectories, unit, unit], (x, gamma, lambda) => {
      const longest = x.mask.columns;
      const steps = Array.from({ length: longest }, (_, n) => nStep(x, { steps: n + 1, gamma }).returns.data);
      const expected = perToken(x.mask, (valid, i) => {
        const at = valid[i] as number;
        const left = valid.length - i;
        let sum = 0;
        for (let n = 1; n < left; n++) sum += (1 - lambda) * lambda ** (n - 1) * (steps[n - 1]?.[at] as number);
        return sum + lambda ** (left - 1) * (steps[left - 1]?.[at] as number);
      });
      expectClose(lambdaReturns(x, { gamma, lambda }).data, expected);
    });
  });

  test('are the returns of gae; with lambda 1 those without a value, with 0 those of one step', () => {
    forAll([trajectories, unit, unit], (x, gamma, lambda) => {
      expectClose(lambdaReturns(x, { gamma, lambda }).data, gae(x, { gamma, lambda }).returns.data);
      const { rewards, mask } = x;
      const ended = { rewards, values: x.values, mask };
      expectClose(
        lambdaReturns(ended, { gamma, lambda: 1 }).data,
        discountedReturns({ rewards, mask }, { gamma }).data,
      );
      const oneStep = perToken(mask, (valid, i, row) => {
        return (rewards.data[valid[i] as number] as number) + gamma * stateValue(x, valid, i + 1, row);
      });
      expectClose(lambdaReturns(x, { gamma, lambda: 0 }).data, oneStep);
    });
  });

  test('with numbers per token: products along the way, and 0 ends an episode', () => {
    forAll([trajectories], (x) => {
      const [g, l] = [x.gammas.data, x.lambdas.data];
      const expected = perToken(x.mask, (valid, i, row) => {
        let sum = 0;
        let weight = 1;
        for (let k = i; k < valid.length; k++) {
          const at = valid[k] as number;
          const mixed = k + 1 < valid.length ? 1 - (l[at] as number) : 1; // after the last token both are the bootstrap
          sum +=
            weight * ((x.rewards.data[at] as number) + (g[at] as number) * mixed * stateValue(x, valid, k + 1, row));
          weight *= (g[at] as number) * (l[at] as number);
        }
        return sum;
      });
      const options = { gamma: x.gammas, lambda: x.lambdas };
      expectClose(lambdaReturns(x, options).data, expected);
      expect(lambdaReturns(poisoned(x, x.mask), poisoned(options, x.mask)).data).toEqual(
        lambdaReturns(x, options).data,
      );
      const terminal = like(x.mask, (at) => (at % 3 === 0 ? 1 : 0));
      const gamma = like(x.mask, (at) => (at % 3 === 0 ? 0 : 0.9));
      expectClose(lambdaReturns(x, { gamma }).data, gae({ ...x, terminal }, { gamma: 0.9 }).returns.data);
    });
  });
});

describe('nStep', () => {
  test('is its definition', () => {
    forAll([trajectories, fc.integer({ min: 1, max: 9 }), unit], (x, n, gamma) => {
      const expected = perToken(x.mask, (valid, i, row) => {
        const steps = Math.min(n, valid.length - i);
        let sum = gamma ** steps * stateValue(x, valid, i + steps, row);
        for (let k = 0; k < steps; k++) sum += gamma ** k * (x.rewards.data[valid[i + k] as number] as number);
        return sum;
      });
      const { advantages, returns, metrics } = nStep(x, { steps: n, gamma });
      expectClose(returns.data, expected);
      const minusValue = perToken(
        x.mask,
        (valid, i, row) => (expected[valid[i] as number] as number) - stateValue(x, valid, i, row),
      );
      expectClose(advantages.data, minusValue);
      expect(metrics).toEqual(gae(x).metrics);
    });
  });

  test('one step is gae with lambda 0, more than there are with lambda 1, and lambda makes it lambda returns', () => {
    forAll([trajectories, unit, unit], (x, gamma, lambda) => {
      expectClose(nStep(x, { steps: 1, gamma }).advantages.data, gae(x, { gamma, lambda: 0 }).advantages.data);
      expectClose(nStep(x, { steps: 99, gamma }).advantages.data, gae(x, { gamma, lambda: 1 }).advantages.data);
      expectClose(nStep(x, { steps: 99, gamma, lambda }).returns.data, gae(x, { gamma, lambda }).returns.data);
      const options = { gamma: x.gammas, lambda: x.lambdas };
      expectClose(nStep(x, { ...options, steps: 99 }).returns.data, lambdaReturns(x, options).data);
    });
  });
});

describe('gae, beyond gae.test.ts', () => {
  test('lambda 0: the one-step errors', () => {
    forAll([trajectories, unit], (x, gamma) => {
      const errors = perToken(x.mask, (valid, i, row) => {
        const after = gamma * stateValue(x, valid, i + 1, row);
        return (x.rewards.data[valid[i] as number] as number) + after - stateValue(x, valid, i, row);
      });
      expectClose(gae(x, { gamma, lambda: 0 }).advantages.data, errors);
    });
  });

  test('cutting a row and bootstrapping from the value there loses what came after, (γλ)ᵏ of it', () => {
    forAll([trajectories, unit, unit, fc.nat()], (x, gamma, lambda, pick) => {
      const whole = gae(x, { gamma, lambda }).advantages.data;
      const valid = validOf(x.mask);
      // In every row the tokens from number `cut` on are taken away; those without as many stay as they are.
      const cut = 1 + (pick % x.mask.columns);
      const kept = new Set(valid.flatMap((row) => row.slice(0, cut)));
      const mask = like(x.mask, (at) => (kept.has(at) ? 1 : 0));
      const bootstrap = x.bootstrap.map((v, row) => {
        const next = valid[row]?.[cut];
        return next === undefined ? v : (x.values.data[next] as number);
      });
      const expected = perToken(mask, (tokens, i, row) => {
        const next = valid[row]?.[cut];
        const lost = next === undefined ? 0 : (gamma * lambda) ** (cut - i) * (whole[next] as number);
        return (whole[tokens[i] as number] as number) - lost;
      });
      expectClose(gae({ ...x, mask, bootstrap }, { gamma, lambda }).advantages.data, expected);
    });
  });
});

describe('vTrace', () => {
  const caps = fc.double({ min: 0.1, max: 4, noNaN: true });

  test('is the sum of its definition', () => {
    forAll([trajectories, caps, caps, caps, unit], (x, clipRho, clipTrace, clipAdvantage, alpha) => {
      const at = (grid: Grid, position: number | undefined): number => grid.data[position as number] as number;
      const leaky = (cap: number, ratio: number): number => alpha * Math.min(cap, ratio) + (1 - alpha) * ratio;
      // v_s − V_s = Σ_t γ_s … γ_{t−1} c_s … c_{t−1} ρ'_t δ_t
      const error = (valid: readonly number[], i: number, row: number): number => {
        let sum = 0;
        let weight = 1;
        for (let t = i; t < valid.length; t++) {
          const p = valid[t];
          const delta = at(x.rewards, p) + at(x.gammas, p) * stateValue(x, valid, t + 1, row) - at(x.values, p);
          sum += weight * leaky(clipRho, at(x.ratios, p)) * delta;
          weight *= at(x.gammas, p) * at(x.lambdas, p) * leaky(clipTrace, at(x.ratios, p));
        }
        return sum;
      };
      const action = (valid: readonly number[], i: number, row: number): number => {
        const p = valid[i];
        const next = i + 1 < valid.length ? error(valid, i + 1, row) : 0;
        return at(x.rewards, p) + at(x.gammas, p) * (stateValue(x, valid, i + 1, row) + at(x.lambdas, p) * next);
      };
      const options = { gamma: x.gammas, lambda: x.lambdas, clipRho, clipTrace, clipAdvantage, alpha };
      const trace = vTrace(x, options);
      expectClose(trace.errors.data, perToken(x.mask, error));
      expectClose(
        trace.returns.data,
        perToken(x.mask, (v, i, row) => error(v, i, row) + at(x.values, v[i])),
      );
      expectClose(trace.actionValues.data, perToken(x.mask, action));
      expectClose(
        trace.advantages.data,
        perToken(
          x.mask,
          (v, i, row) => Math.min(clipAdvantage, at(x.ratios, v[i])) * (action(v, i, row) - at(x.values, v[i])),
        ),
      );
      expect(vTrace(poisoned(x, x.mask), poisoned(options, x.mask))).toEqual(trace);
    });
  });

  test('on policy it is gae', () => {
    forAll([trajectories, unit, unit, caps], (x, gamma, lambda, more) => {
      const ratios = like(x.mask, () => 1);
      const cap = 1 + more;
      const { advantages, returns, errors } = vTrace(
        { ...x, ratios },
        { gamma, lambda, clipRho: cap, clipTrace: cap, clipAdvantage: cap },
      );
      const expected = gae(x, { gamma, lambda });
      expectClose(advantages.data, expected.advantages.data);
      expectClose(errors.data, expected.advantages.data);
      expectClose(returns.data, expected.returns.data);
    });
  });

  test('alpha 0 is the same as infinite caps; caps that nothing reaches are none', () => {
    forAll([trajectories, unit], (x, lambda) => {
      const [clipRho, clipTrace] = [Infinity, Infinity];
      const free = vTrace(x, { gamma: x.gammas, lambda, clipRho, clipTrace });
      expectClose(vTrace(x, { gamma: x.gammas, lambda, alpha: 0 }).errors.data, free.errors.data);
      expectClose(vTrace(x, { gamma: x.gammas, lambda, clipRho: 3, clipTrace: 3 }).errors.data, free.errors.data);
      expect(free.metrics['clipped']).toBe(0);
    });
  });

  test('an action that the target policy never takes teaches nothing', () => {
    forAll([trajectories], (x) => {
      const { advantages, errors } = vTrace({ ...x, ratios: like(x.mask, () => 0) });
      expect([...advantages.data, ...errors.data].every((a) => a === 0)).toBe(true);
    });
  });

  // Three decisions between two actions; the state is the history. All trajectories are enumerated.
  const probability = fc.double({ min: 0.05, max: 0.95, noNaN: true });
  const tree = fc.record({
    target: fc.array(probability, { minLength: 7, maxLength: 7 }),
    behaviour: fc.array(probability, { minLength: 7, maxLength: 7 }),
    values: fc.array(real, { minLength: 7, maxLength: 7 }),
    rewards: fc.array(real, { minLength: 14, maxLength: 14 }),
  });

  test('without caps its targets are unbiased, whatever the value function', () => {
    forAll([tree, unit], ({ target, behaviour, values, rewards }, gamma) => {
      const chance = (of: readonly number[], state: number, action: number): number =>
        action === 1 ? (of[state] as number) : 1 - (of[state] as number);
      const worth = (state: number): number => {
        if (state >= 7) return 0;
        const [a, b] = [0, 1].map(
          (action) => (rewards[2 * state + action] as number) + gamma * worth(2 * state + 1 + action),
        );
        return chance(target, state, 0) * (a as number) + chance(target, state, 1) * (b as number);
      };
      let expectation = 0;
      for (let path = 0; path < 8; path++) {
        const actions = [path & 1, (path >> 1) & 1, path >> 2];
        const states = [0];
        for (const action of actions) states.push(2 * (states.at(-1) as number) + 1 + action);
        const along = (f: (state: number, action: number) => number): number[] =>
          actions.map((action, t) => f(states[t] as number, action));
        const mu = along((s, a) => chance(behaviour, s, a));
        const ratios = along((s, a) => chance(target, s, a) / chance(behaviour, s, a));
        const { returns } = vTrace(
          {
            rewards: only(along((s, a) => rewards[2 * s + a] as number)),
            values: only(along((s) => values[s] as number)),
            mask: only([1, 1, 1]),
            ratios: only(ratios),
          },
          { gamma, clipRho: Infinity, clipTrace: Infinity },
        );
        expectation += mu.reduce((product, p) => product * p, 1) * (returns.data[0] as number);
      }
      expectClose([expectation], [worth(0)], { absolute: 1e-9, relative: 1e-9 });
    });
  });

  test('its fixed point is the value of the policy min(ρ̄ μ, π), normalised', () => {
    forAll([probability, probability, real, real, caps], (pi, mu, r0, r1, clipRho) => {
      const weight = [Math.min(clipRho * (1 - mu), 1 - pi), Math.min(clipRho * mu, pi)] as const;
      const value = (weight[0] * r0 + weight[1] * r1) / (weight[0] + weight[1]);
      const errorOf = (reward: number, ratio: number): number =>
        vTrace({ rewards: only([reward]), values: only([value]), mask: only([1]), ratios: only([ratio]) }, { clipRho })
          .errors.data[0] as number;
      expect(Math.abs((1 - mu) * errorOf(r0, (1 - pi) / (1 - mu)) + mu * errorOf(r1, pi / mu))).toBeLessThan(1e-12);
    });
  });
});

describe('errors', () => {
  const two = only([1, 2]);
  const good = { rewards: two, values: two, mask: only([1, 1]), ratios: two };
  test.each([
    ['option', () => nStep(good, { steps: 0 }), 'nStep: steps must be a whole number of at least 1; got 0'],
    ['option', () => nStep(good, { steps: 1.5 }), 'nStep: steps must be a whole number of at least 1; got 1.5'],
    ['option', () => nStep(good, { gamma: 2 }), 'nStep: gamma must be in [0, 1]; got 2'],
    ['option', () => nStep(good, { lambda: only([0, -1]) }), 'nStep: lambda[0, 1] must be in [0, 1]; got -1'],
    ['shape', () => nStep(good, { gamma: only([1]) }), 'nStep: gamma must be [1, 2] like rewards; got [1, 1]'],
    ['data', () => nStep({ ...good, mask: only([1, 2]) }), 'nStep: mask[0, 1] must be 0 or 1; got 2'],
    [
      'option',
      () => lambdaReturns(good, { gamma: only([2, 1]) }),
      'lambdaReturns: gamma[0, 0] must be in [0, 1]; got 2',
    ],
    ['option', () => vTrace(good, { lambda: only([2, 1]) }), 'vTrace: lambda[0, 0] must be in [0, 1]; got 2'],
    [
      'data',
      () => vTrace({ ...good, ratios: only([Infinity, 1]) }),
      'vTrace: ratios[0, 0] must be finite and at least 0; got Infinity',
    ],
    ['option', () => lambdaReturns(good, { lambda: Number.NaN }), 'lambdaReturns: lambda must be in [0, 1]; got NaN'],
    [
      'shape',
      () => lambdaReturns({ ...good, bootstrap: [] }),
      'lambdaReturns: bootstrap must be of length 1; got length 0',
    ],
    [
      'data',
      () => lambdaReturns({ ...good, values: only([Number.NaN, 1]) }),
      'lambdaReturns: values[0, 0] must be finite, for it counts; got NaN',
    ],
    ['data', () => vTrace({ ...good, bootstrap: [Infinity] }), 'vTrace: bootstrap[0] must be finite; got Infinity'],
    ['option', () => vTrace(good, { clipRho: 0 }), 'vTrace: clipRho must be positive; got 0'],
    ['option', () => vTrace(good, { clipTrace: -1 }), 'vTrace: clipTrace must be positive; got -1'],
    ['option', () => vTrace(good, { clipAdvantage: Number.NaN }), 'vTrace: clipAdvantage must be positive; got NaN'],
    ['option', () => vTrace(good, { alpha: 2 }), 'vTrace: alpha must be in [0, 1]; got 2'],
    ['shape', () => vTrace({ ...good, ratios: only([1]) }), 'vTrace: ratios must be [1, 2] like rewards; got [1, 1]'],
    [
      'data',
      () => vTrace({ ...good, ratios: only([1, -1]) }),
      'vTrace: ratios[0, 1] must be finite and at least 0; got -1',
    ],
  ] as const)('%s: case %#', (code, call, message) => {
    let thrown: unknown;
    try {
      call();
    } catch (error) {
      thrown = error;
    }
    expect((thrown as Error).message).toBe(message);
    expect(isTsrlError(thrown, code)).toBe(true);
  });

  test('a batch without a token gives zeros', () => {
    const nan = only([Number.NaN, Number.NaN]);
    const none = { rewards: nan, values: nan, mask: only([0, 0]), ratios: nan, bootstrap: [Number.NaN] };
    expect([...vTrace(none).advantages.data, ...nStep(none).returns.data, ...lambdaReturns(none).data]).toEqual([
      0, 0, 0, 0, 0, 0,
    ]);
    expect(vTrace(none).metrics).toEqual({ tokens: 0, emptyRows: 1, clipped: 0 });
  });
});
