import * as tf from '@tensorflow/tfjs-core';
import { DivergenceError, type Grid, gridOf, OptionError, StateError } from '@tsrl/core';
import { balancedIndices, shuffledIndices } from '@tsrl/data';
import { uninstallFastKernels } from '@tsrl/kernels/tfjs';
import { adamW, sgd } from '@tsrl/optim';
import { type BinaryPolicy, bernoulliLogProbs, tokenMean } from '@tsrl/tensor';
import { float32, maxError } from '@tsrl/testing';
import { describe, expect, test } from 'vitest';
import {
  type CheckpointStore,
  type Evaluation,
  type Method,
  memoryStore,
  scoreExamples,
  type TrainEvent,
  type TrainOptions,
  train,
  trainStep,
} from '../src/index.ts';
import {
  bagPolicy,
  type Common,
  commonOptions,
  drawExamples,
  held,
  observesNothing,
  observesReference,
  observesValues,
  session,
  starts,
  weightsOf,
  wholeSession,
} from './fixtures.ts';

const everyStep = { checkpointSeconds: 0 } as const;
const never = { checkpointSeconds: 1e9 } as const;

// Hundreds of sessions: 6 s alone, a multiple of it beside other tests.
describe('a run that was cut off and resumed is the run that was not', { timeout: 120_000 }, () => {
  const cases: Record<string, [keyof typeof starts, Partial<Common>, stride: number]> = {
    'nothing observed': ['nothing', everyStep, 1],
    'sampled actions': ['logits', everyStep, 1],
    'values observed': ['values', everyStep, 1],
    'checkpoints at evaluations only': ['logits', never, 2],
    'evaluation after each epoch': ['logits', { ...everyStep, evaluateEach: 'epoch' }, 2],
    'evaluation after each epoch, few checkpoints': ['values', { ...never, evaluateEach: 'epoch' }, 3],
    'patience that runs out': ['logits', { ...everyStep, patience: 1, score: ({ n }) => n }, 2],
    'patience that runs out within a refresh': [
      'nothing',
      { ...everyStep, evaluateEach: 'epoch', patience: 2, score: ({ n }) => -n },
      2,
    ],
    'refreshes smaller than a pass, which they do not divide': ['values', { ...everyStep, refreshSize: 4 }, 2],
    'small refreshes of a balanced pass, micro-batches, a window': [
      'logits',
      { ...everyStep, refreshSize: 7, batchSize: 3, microBatchSize: 2, bucketWindow: 1, sample: balancedIndices },
      3,
    ],
    'a valid answer, and a reference from before the first step': ['reference', everyStep, 1],
    'a reference, with few checkpoints and refreshes that show a part': ['reference', { ...never, refreshSize: 4 }, 3],
    'epochs that end by the target divergence': [
      'reference',
      { ...everyStep, epochs: 3, targetKl: 0.003, evaluateEach: 'epoch' },
      2,
    ],
    'no validation': ['logits', { ...everyStep, validation: undefined } as unknown as Partial<Common>, 3],
  };

  test.each(Object.entries(cases))('%s', async (_, [method, change, stride]) => {
    const start = starts[method];
    const options = { ...commonOptions(), ...change };
    const wholeStore = memoryStore();
    const whole = await wholeSession(start, { ...options, store: wholeStore });
    const left = await held(wholeStore);
    expect(whole.result.steps).toBeGreaterThan(3);
    if (change.targetKl) expect(whole.events.some(({ type }) => type === 'targetKl')).toBe(true);

    for (let k = 1; k < whole.events.length; k += stride) {
      const store = memoryStore();
      const resumed = { ...options, store, resume: true };
      // Cut off after k events; then twice more, at once and a little later; then left alone.
      for (const stopAfter of [k, 1, 1 + (k % 5)]) await session(start, resumed, stopAfter);
      const { result, weights } = await wholeSession(start, resumed);
      expect(result).toEqual(whole.result);
      expect(weights).toEqual(whole.weights);
      expect(await held(store)).toEqual(left);
      // Once it is over, going on changes nothing.
      const again = await wholeSession(start, resumed);
      expect(again.result).toEqual(whole.result);
      expect(again.weights).toEqual(whole.weights);
      expect(await held(store)).toEqual(left);
    }
  });

  test('cut off again and again, three events at a time', async () => {
    const options = { ...commonOptions(), ...everyStep };
    const whole = await wholeSession(starts.values, options);
    const store = memoryStore();
    let sessions = 0;
    let end = await session(starts.values, { ...options, store, resume: true }, 3);
    for (; !end; sessions++) end = await session(starts.values, { ...options, store, resume: true }, 4);
    expect(sessions).toBeGreaterThan(5);
    expect(end.result).toEqual(whole.result);
    expect(end.weights).toEqual(whole.weights);
  });

  test('by the fast kernels, unless they are not wanted: the results differ by rounding', async () => {
    const present = (): boolean => tf.getKernel('TsrlAdamW', tf.getBackend()) !== undefined;
    uninstallFastKernels();
    const plain = await wholeSession(starts.logits, { ...commonOptions(), fastKernels: false });
    expect(present()).toBe(false);
    const fast = await wholeSession(starts.logits, commonOptions());
    expect(present()).toBe(true);
    expect(fast.result.steps).toBe(plain.result.steps);
  });

  test('a store changes nothing, and the seed does', async () => {
    const without = await wholeSession(starts.logits, commonOptions());
    const stored = await wholeSession(starts.logits, { ...commonOptions(), ...everyStep, store: memoryStore() });
    expect(stored.result).toEqual(without.result);
    expect(stored.weights).toEqual(without.weights);
    const other = await wholeSession(starts.logits, { ...commonOptions(), seed: 8 });
    expect(other.weights).not.toEqual(without.weights);
  });

  test('a run that was aborted goes on as if it had not been', async () => {
    const options = { ...commonOptions(), ...never };
    const whole = await wholeSession(starts.logits, options);
    for (const after of [1, 3, 6, 17, 18]) {
      const store = memoryStore();
      const signal = { aborted: false };
      let steps = 0;
      const counting = async function* (common: Common): AsyncGenerator<TrainEvent> {
        for await (const event of starts.logits(common)) {
          if (event.type === 'step' && ++steps === after) signal.aborted = true;
          yield event;
        }
      };
      const aborted = await wholeSession(counting, { ...options, store, signal });
      expect(aborted.result).toMatchObject({ stopped: 'aborted', best: null, steps: after });
      expect(aborted.events.at(-2)).toEqual({ type: 'checkpoint', step: after });
      const resumed = await wholeSession(starts.logits, { ...options, store, resume: true });
      expect(resumed.result).toEqual(whole.result);
      expect(resumed.weights).toEqual(whole.weights);
    }
  });

  test('a run whose time was up ends with an evaluation, and with more time goes on as if it had not', async () => {
    const options = { ...commonOptions(), ...never };
    const whole = await wholeSession(starts.logits, options);
    const store = memoryStore();
    const short = { ...options, store, resume: true, maxSeconds: 1e-9 };
    const first = await wholeSession(starts.logits, short);
    expect(first.result).toMatchObject({ stopped: 'time', steps: 1 });
    expect(first.result.history).toHaveLength(1);
    expect(first.result.best).toEqual(first.result.history[0]);

    const again = await wholeSession(starts.logits, short);
    expect(again.result).toEqual(first.result);
    expect(again.weights).toEqual(first.weights);

    const longer = await wholeSession(starts.logits, { ...short, maxSeconds: 1e9 });
    expect(longer.result).toEqual(whole.result);
    expect(longer.weights).toEqual(whole.weights);
  });
});

describe('a checkpoint that does not fit', () => {
  const configuration = { method: 'x', optimizer: { rate: 0.1, kind: 'adam' } };

  async function refused(change: Partial<Common>, make = () => bagPolicy({ seed: 9 })): Promise<string> {
    const store = memoryStore();
    await wholeSession(starts.nothing, { ...commonOptions(), store, configuration });
    const policy = make();
    const before = await weightsOf(policy);
    const stored = await held(store);
    const options = { ...commonOptions(), configuration, store, resume: true, policy, ...change };
    const error: unknown = await starts
      .nothing(options)
      .next()
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(StateError);
    expect(await weightsOf(policy)).toEqual(before);
    expect(await held(store)).toEqual(stored);
    tf.dispose([...policy.variables]);
    return (error as Error).message;
  }

  test('configuration', async () => {
    const other = { method: 'y', optimizer: { rate: 0.2, kind: 'adam' }, added: true };
    expect(await refused({ configuration: other })).toBe(
      'checkpoint: is of another configuration: method is "x" there and "y" here; ' +
        'optimizer.rate is 0.1 there and 0.2 here; added is null there and true here',
    );
  });

  test('a model without the value head', async () => {
    expect(await refused({}, () => bagPolicy({ values: false }))).toBe(
      'checkpoint: does not fit the model: value is [6, 1] there and missing here',
    );
  });

  test('a model with other sizes and a further weight: the first weight fits, and stays as it was', async () => {
    const wider = (): BinaryPolicy => {
      const policy = bagPolicy({ seed: 9, values: false });
      const wide = tf.tidy(() => tf.variable(tf.zeros([6, 2]), true, 'value'));
      const more = tf.tidy(() => tf.variable(tf.zeros([1]), true, 'more'));
      return { ...policy, variables: [...policy.variables, wide, more] };
    };
    expect(await refused({}, wider)).toBe(
      'checkpoint: does not fit the model: value is [6, 1] there and [6, 2] here; ' +
        'more is missing there and [1] here',
    );
  });

  test('optimizer state that is missing, or that no one asks for', async () => {
    expect(await refused({ optimizer: sgd({ learningRate: 0.1, momentum: 0.9 }) })).toMatch(
      /^checkpoint: does not fit the optimizer: adamW\/m\/policy is \[6, 1\] there and missing here; .*sgd\/momentum\/value is missing there and \[6, 1\] here$/,
    );
    expect(await refused({ optimizer: sgd({ learningRate: 0.1 }) })).toContain('adamW/v/value is [6, 1] there');
  });

  test('a snapshot whose optimizer state was taken out', async () => {
    const store = memoryStore();
    await session(starts.nothing, { ...commonOptions(), ...everyStep, store }, 4);
    const snapshot = await store.load();
    const { 'optimizer/adamW/v/policy': _, ...tensors } = snapshot?.tensors ?? {};
    const lacking: CheckpointStore = {
      save: store.save,
      load: async () => ({ state: snapshot?.state ?? null, tensors }),
    };
    await expect(session(starts.nothing, { ...commonOptions(), store: lacking, resume: true })).rejects.toThrow(
      'checkpoint: does not fit the optimizer: adamW/v/policy is missing there and [6, 1] here',
    );
  });
});

describe('divergence', () => {
  /** Healthy, until a step (counted from 0) at which one term is not a number. */
  const brokenAt = (at: number): Method<{ labels: Float64Array }> => ({
    ...observesNothing,
    name: 'breaking',
    loss: (inputs, context = {}) => {
      const { loss, metrics } = observesNothing.loss(inputs, context);
      const broken = context.step === at ? tf.scalar(Number.NaN) : tf.scalar(0);
      return { loss: tf.add(loss, broken), metrics: { ...metrics, 'broken/loss': broken } };
    },
  });

  test('names step and term, leaves the weights, and the last checkpoint goes on', async () => {
    const healthy = (common: Common) => train({ ...common, method: brokenAt(-1) });
    const whole = await wholeSession(healthy, commonOptions());
    const options = { ...commonOptions(), ...everyStep, store: memoryStore(), resume: true };
    const policy = bagPolicy();
    let weights = await weightsOf(policy);
    const run = async (): Promise<void> => {
      for await (const event of train({ ...options, policy, method: brokenAt(4) })) {
        if (event.type === 'step') weights = await weightsOf(policy);
      }
    };
    const error: unknown = await run().catch((e: unknown) => e);
    expect(error).toBeInstanceOf(DivergenceError);
    expect((error as Error).message).toMatch(/^breaking: broken\/loss must be a number; got NaN at step 5; /);
    expect(await weightsOf(policy)).toEqual(weights);
    tf.dispose([...policy.variables]);

    const resumed = await wholeSession(healthy, options);
    expect(resumed.result).toEqual(whole.result);
    expect(resumed.weights).toEqual(whole.weights);
  });

  test('a gradient that is not a number under a loss that is one', async () => {
    const method: Method<{ labels: Float64Array }> = {
      ...observesNothing,
      loss: ({ logits }) => ({ loss: tf.sum(tf.sqrt(tf.mul(logits, 0))), metrics: {} }),
    };
    const policy = bagPolicy();
    const before = await weightsOf(policy);
    const events = train({ ...commonOptions(), policy, method });
    await events.next();
    await expect(events.next()).rejects.toThrow(/gradientNorm must be a number; got (NaN|Infinity) at step 1/);
    expect(await weightsOf(policy)).toEqual(before);
  });

  test('weights that an update broke are found out by the evaluation', async () => {
    const steep: Method<{ labels: Float64Array }> = {
      ...observesNothing,
      loss: (inputs, context) => ({ loss: tf.mul(observesNothing.loss(inputs, context).loss, 1000), metrics: {} }),
    };
    const options = { ...commonOptions(), optimizer: sgd({ learningRate: 3e38 }), epochs: 1, batchSize: 10 };
    await expect(wholeSession((common) => train({ ...common, method: steep }), options)).rejects.toThrow(
      /^cross-entropy: the logits must be numbers; got (NaN|-?Infinity) after step 1$/,
    );
  });
});

describe('one step', () => {
  const examples = drawExamples(11, 5);
  const positions = Int32Array.of(4, 4, 0, 1, 9, 2, 10);
  const rows = Int32Array.from(positions, (_, i) => i);
  const labels = Float64Array.from(positions, (i) => examples.labels[i] as number);

  async function stepWith(microBatchSize?: number) {
    const policy = bagPolicy();
    const optimizer = sgd({ learningRate: 1 });
    const columns = { labels, surprise: Float64Array.from(positions, (i) => 0.1 * i) };
    const batch = { examples, positions, rows, columns };
    const step = { step: 0, ...(microBatchSize !== undefined && { microBatchSize }) };
    const valued = await trainStep(policy, observesValues, optimizer, optimizer.init([]), batch, step);
    const plain = await trainStep(
      policy,
      observesNothing,
      optimizer,
      valued.state,
      { ...batch, columns: { labels } },
      step,
    );
    const weights = await weightsOf(policy);
    tf.dispose([...policy.variables]);
    return { weights, metrics: [valued.metrics, plain.metrics] };
  }

  test.each([1, 2, 3, 6, 7, 100])('micro-batches of %i add up to the whole', async (microBatchSize) => {
    const whole = await stepWith();
    const parts = await stepWith(microBatchSize);
    for (const [name, weights] of Object.entries(whole.weights)) {
      expect(maxError(parts.weights[name] as Float32Array, weights, float32)).toBeLessThanOrEqual(1);
    }
    whole.metrics.forEach((metrics, i) => {
      expect(Object.keys(parts.metrics[i] ?? {})).toEqual(Object.keys(metrics));
      expect(maxError(Object.values(parts.metrics[i] ?? {}), Object.values(metrics), float32)).toBeLessThanOrEqual(1);
    });
    expect(Object.keys(whole.metrics[1] ?? {})).toEqual(['loss', 'odds', 'fit/loss', 'gradientNorm']);
  });

  test.each([1, 2, 3, 7])('a loss that averages over tokens adds up too, in micro-batches of %i', async (size) => {
    const weights = gridOf(Array.from(positions, (_, i) => (i % 3 === 0 ? [1, 0] : [1, 1])));
    const averaged: Method<{ mask: Grid }> = {
      name: 'token mean',
      observes: [],
      prepare: () => ({ mask: weights }),
      countTokens: ({ mask }, chosen) =>
        chosen.reduce((sum, row) => sum + (mask.data[2 * row] as number) + (mask.data[2 * row + 1] as number), 0),
      loss: ({ logits, mask }, context = {}) => ({
        loss: tokenMean(tf.square(bernoulliLogProbs(logits)), mask, context),
        metrics: {},
      }),
    };
    const stepped = async (microBatchSize: number) => {
      const policy = bagPolicy({ values: false });
      const optimizer = sgd({ learningRate: 1 });
      const batch = { examples, positions, rows, columns: { mask: weights } };
      const { metrics } = await trainStep(policy, averaged, optimizer, optimizer.init([]), batch, {
        step: 0,
        microBatchSize,
      });
      const result = { metrics, weights: (await weightsOf(policy))['policy'] as Float32Array };
      tf.dispose([...policy.variables]);
      return result;
    };
    const [whole, parts] = [await stepped(7), await stepped(size)];
    expect(maxError(parts.weights, whole.weights, float32)).toBeLessThanOrEqual(1);
    expect(maxError([parts.metrics['loss'] as number], [whole.metrics['loss'] as number], float32)).toBeLessThanOrEqual(
      1,
    );
  });

  test('is gradient descent on the mean cross-entropy, against a loop in float64', async () => {
    const policy = bagPolicy();
    const before = Float64Array.from((await weightsOf(policy))['policy'] as Float32Array);
    const expected = before.slice();
    positions.forEach((at) => {
      const ids = examples.sequences[at] as Int32Array;
      const z = ids.reduce((sum, id) => sum + (before[id] as number), 0);
      const slope = 1 / (1 + Math.exp(-z)) - (examples.labels[at] as number);
      for (const id of ids) (expected[id] as number) -= (0.5 * slope) / positions.length;
    });
    const optimizer = sgd({ learningRate: 0.5 });
    const batch = { examples, positions, rows, columns: { labels } };
    const { state } = await trainStep(policy, observesNothing, optimizer, optimizer.init([]), batch, { step: 0 });
    expect(state.step).toBe(1);
    expect(maxError((await weightsOf(policy))['policy'] as Float32Array, expected, float32)).toBeLessThanOrEqual(1);
  });

  test('a loss that throws in the second part leaves nothing behind', async () => {
    let calls = 0;
    const method: Method<{ labels: Float64Array }> = {
      ...observesNothing,
      loss: (inputs, context) => {
        if (++calls === 2) throw new Error('out of luck');
        return observesNothing.loss(inputs, context);
      },
    };
    const policy = bagPolicy();
    const before = await weightsOf(policy);
    const optimizer = adamW({ learningRate: 1 });
    const state = optimizer.init(policy.variables);
    const batch = { examples, positions, rows, columns: { labels } };
    const step = trainStep(policy, method, optimizer, state, batch, { step: 0, microBatchSize: 2 });
    await expect(step).rejects.toThrow('out of luck');
    expect(await weightsOf(policy)).toEqual(before);
    tf.dispose({ ...state.tensors });
  });
});

describe('the best weights', () => {
  /** Trains with scripted scores; the weights at each evaluation, and at the end. */
  async function scripted(scores: readonly number[], change: Partial<Common> = {}) {
    let evaluated = 0;
    const policy = bagPolicy();
    const seen: Record<string, Float32Array>[] = [];
    const flags: boolean[] = [];
    const refreshes = scores.length;
    const score = (): number => scores[evaluated++] as number;
    for await (const event of starts.nothing({ ...commonOptions(), refreshes, score, ...change, policy })) {
      if (event.type === 'evaluation') {
        seen.push(await weightsOf(policy));
        flags.push(event.evaluation.best);
      }
      if (event.type === 'end') return { ...event.result, flags, seen, last: await weightsOf(policy) };
    }
    throw new Error('no end');
  }

  test('are kept, the earlier of equals', async () => {
    const { last, seen, best, history, stopped, flags } = await scripted([0.5, 0.7, 0.7, 0.6]);
    expect(stopped).toBe('completed');
    expect(flags).toEqual([true, true, false, false]);
    expect(best).toEqual(history[1]);
    expect(last).toEqual(seen[1]);
    expect(last).not.toEqual(seen[2]);
  });

  test.each([
    [1, [0.5, 0.7, 0.7, 0.8], 3],
    [2, [0.5, 0.7, 0.7, 0.6, 0.9], 4],
    [2, [0.5, 0.4, 0.7, 0.6, 0.5, 0.9], 5],
    [3, [0.5, 0.4, 0.3, 0.6], 4],
  ])('patience of %i with scores %j: %i evaluations', async (patience, scores, evaluations) => {
    const { history, stopped, best, last, seen } = await scripted(scores, { patience });
    expect(history).toHaveLength(evaluations);
    const exhausted = evaluations < scores.length;
    expect(stopped).toBe(exhausted ? 'patience' : 'completed');
    const top = scores.indexOf(Math.max(...scores.slice(0, evaluations)));
    expect(best).toEqual(history[top]);
    expect(last).toEqual(seen[top]);
  });

  test('without validation the last ones stay', async () => {
    const { validation: _, ...options } = commonOptions();
    const policy = bagPolicy();
    let last = await weightsOf(policy);
    for await (const event of starts.nothing({ ...options, policy })) {
      if (event.type === 'step') last = await weightsOf(policy);
      if (event.type === 'end') {
        expect(event.result.best).toBeNull();
        expect(event.result.history.map(({ validation, best }) => [validation, best])).toEqual(
          Array(3).fill([null, false]),
        );
      }
    }
    expect(await weightsOf(policy)).toEqual(last);
  });

  test('training learns: the tokens decide, and the best validation is far above chance', async () => {
    const options = { ...commonOptions(), train: drawExamples(60, 1), refreshes: 5, batchSize: 10 };
    for (const start of Object.values(starts)) {
      const { result } = await wholeSession(start, options);
      expect(result.best?.validation?.balancedAccuracy).toBeGreaterThan(0.7);
      expect(result.best?.validation?.auroc).toBeGreaterThan(0.8);
    }
  });
});

describe('events', () => {
  const kinds = (events: readonly TrainEvent[]): string => events.map(({ type }) => type).join(' ');

  test('come in the order of the algorithm', async () => {
    const options = { ...commonOptions(), ...never, refreshes: 2, epochs: 1, store: memoryStore() };
    const { events } = await wholeSession(starts.logits, options);
    const refresh = 'observe step step step evaluate evaluation checkpoint';
    expect(kinds(events)).toBe(`start ${refresh} ${refresh} end`);
  });

  test('the policy is scored before the first step, once, over all examples, and told so', async () => {
    const seen: Float64Array[][] = [];
    const method: typeof observesReference = {
      ...observesReference,
      prepare: (observation) => {
        const { refLogits, refLogMass, logits, logMass } = observation;
        seen.push([refLogits, refLogMass, logits, logMass].map((column) => column ?? new Float64Array()));
        return observesReference.prepare(observation);
      },
    };
    const sample: Common['sample'] = (labels) => Int32Array.from(labels, (_, i) => i);
    const options = { ...commonOptions(), sample, refreshSize: 5, refreshes: 4, epochs: 1 };
    const { events } = await wholeSession((common) => train({ ...common, method }), options);
    expect(kinds(events).startsWith('start reference observe step')).toBe(true);
    expect(events.filter(({ type }) => type === 'reference')).toEqual([{ type: 'reference', examples: 10 }]);
    const policy = bagPolicy();
    const { logits, logMass } = await scoreExamples(policy, options.train.sequences, { logMass: true });
    tf.dispose([...policy.variables]);
    const half = (column: Float64Array | undefined, refresh: number): Float64Array | undefined =>
      column?.slice(5 * (refresh % 2), 5 * (refresh % 2) + 5);
    for (let refresh = 0; refresh < 4; refresh++) {
      expect(seen[refresh]?.slice(0, 2)).toEqual([half(logits, refresh), half(logMass, refresh)]);
    }
    expect(seen[0]?.slice(2)).toEqual(seen[0]?.slice(0, 2)); // nothing had moved yet
    expect(seen[2]?.slice(2)).not.toEqual(seen[2]?.slice(0, 2));
  });

  test('one refresh is a frozen behaviour policy, unless nothing is observed of it', async () => {
    const frozen = async (start: keyof typeof starts, refreshes: number): Promise<boolean | undefined> => {
      const { events } = await wholeSession(starts[start], { ...commonOptions(), refreshes, epochs: 1 });
      return events.flatMap((event) => (event.type === 'start' ? [event.frozen] : []))[0];
    };
    expect(await frozen('logits', 1)).toBe(true);
    expect(await frozen('logits', 2)).toBe(false);
    expect(await frozen('nothing', 1)).toBe(false);
  });

  test('a refresh ends after the epoch in which the mean divergence exceeds 1.5 times the target', async () => {
    const runWith = async (targetKl: number) => {
      const options = { ...commonOptions(), epochs: 3, targetKl };
      const { events, result } = await wholeSession(starts.reference, options);
      return { events, result };
    };
    const free = await runWith(Number.POSITIVE_INFINITY);
    expect(free.result.steps).toBe(3 * 3 * 3);
    expect(free.events.some(({ type }) => type === 'targetKl')).toBe(false);

    // Ten examples in batches of 4, 4 and 2.
    const means = new Map<string, number>();
    for (const event of free.events) {
      if (event.type !== 'step') continue;
      const at = `${event.refresh}.${event.epoch}`;
      const size = (event.step - 1) % 3 === 2 ? 2 : 4;
      means.set(at, (means.get(at) ?? 0) + ((event.metrics['policy/kl'] as number) * size) / 10);
    }
    const second = means.get('2.2') as number;
    expect(second).toBeGreaterThan(Math.max(...['1.1', '1.2', '2.1'].map((at) => means.get(at) as number)));
    const { events, result } = await runWith((second / 1.5) * 0.999);
    const stops = events.flatMap((event) => (event.type === 'targetKl' ? [event] : []));
    expect(stops[0]).toMatchObject({ refresh: 2, epoch: 2 });
    expect(stops[0]?.kl).toBeCloseTo(second, 12);
    expect(result.steps).toBe(27 - 3 * stops.reduce((sum, { epoch }) => sum + 3 - epoch, 0));
    expect(result.history.slice(0, 2)).toMatchObject([
      { refresh: 1, epoch: 3, step: 9 },
      { refresh: 2, epoch: 2, step: 15 },
    ]);
    expect(result.stopped).toBe('completed');
    // Just above, this refresh is as long as ever.
    const above = await runWith((second / 1.5) * 1.001);
    expect(above.events.find(({ type }) => type === 'targetKl')).not.toMatchObject({ refresh: 2 });
  });

  test('by epoch, with a checkpoint at every step and at every evaluation', async () => {
    const change = { ...everyStep, evaluateEach: 'epoch', refreshes: 1, batchSize: 5, store: memoryStore() } as const;
    const { events } = await wholeSession(starts.nothing, { ...commonOptions(), ...change });
    const epoch = 'step checkpoint step checkpoint evaluate evaluation checkpoint';
    expect(kinds(events)).toBe(`start ${epoch} ${epoch} end`);
  });

  test('count steps, passes and tokens without padding', async () => {
    const options = { ...commonOptions(), refreshes: 4, evaluateEach: 'epoch' } as const;
    const { events, result } = await wholeSession(starts.logits, options);
    const steps = events.flatMap((event) => (event.type === 'step' ? [event] : []));
    expect(events[0]).toEqual({ type: 'start', totalSteps: steps.length, step: 0, history: [], frozen: false });
    expect(steps.map(({ step }) => step)).toEqual(steps.map((_, i) => i + 1));
    expect(steps.map(({ refresh, epoch }) => `${refresh}.${epoch}`)).toEqual(
      ['1.1', '1.2', '2.1', '2.2', '3.1', '3.2', '4.1', '4.2'].flatMap((at) => [at, at, at]),
    );
    expect(steps.every(({ totalSteps }) => totalSteps === steps.length)).toBe(true);
    const tokens = options.train.sequences.reduce((sum, { length }) => sum + length, 0);
    expect(result).toMatchObject({ stopped: 'completed', steps: 24, tokens: 8 * tokens });
    expect(result.history.map((line) => [line.refresh, line.epoch, line.step, line.tokens])).toEqual(
      Array.from({ length: 8 }, (_, i) => [1 + Math.floor(i / 2), 1 + (i % 2), 3 * (i + 1), (i + 1) * tokens]),
    );
    expect(events.filter(({ type }) => type === 'observe')).toEqual(
      [1, 2, 3, 4].map((refresh) => ({ type: 'observe', refresh, examples: 10 })),
    );
  });

  test('the history holds the means of the steps since the last line', async () => {
    const { events } = await wholeSession(starts.logits, commonOptions());
    let since: Readonly<Record<string, number>>[] = [];
    const lines: Evaluation[] = [];
    for (const event of events) {
      if (event.type === 'step') since.push(event.metrics);
      if (event.type !== 'evaluation') continue;
      lines.push(event.evaluation);
      for (const [name, mean] of Object.entries(event.evaluation.train)) {
        const sum = since.reduce((total, metrics) => total + (metrics[name] as number), 0);
        expect(mean).toBeCloseTo(sum / since.length, 12);
      }
      expect(Object.keys(event.evaluation.train)).toEqual(Object.keys(since[0] ?? {}));
      since = [];
    }
    expect(lines).toHaveLength(3);
  });

  test('a checkpoint is written when the seconds have passed', async () => {
    const slow = async (checkpointSeconds: number): Promise<number> => {
      const policy = bagPolicy();
      let count = 0;
      const options = { ...commonOptions(), refreshes: 1, epochs: 1, store: memoryStore(), checkpointSeconds };
      for await (const event of starts.nothing({ ...options, policy })) {
        if (event.type === 'checkpoint') count++;
        if (event.type === 'step') await new Promise((done) => setTimeout(done, 60));
      }
      tf.dispose([...policy.variables]);
      return count;
    };
    expect(await slow(0.05)).toBe(3 + 1); // one after each step, one at the evaluation
    expect(await slow(30)).toBe(1);
  });
});

describe('what a refresh shows', () => {
  const n = 10;
  const named = { ...drawExamples(n, 1), labels: Float64Array.from({ length: n }, (_, i) => i) };
  /** Labels as names: which examples each refresh prepares, and which reach the loss. */
  async function shown(change: Partial<Common>) {
    const prepared: number[][] = [];
    const trained: Promise<ArrayLike<number>>[] = [];
    const method: Method<{ labels: Float64Array }> = {
      ...observesNothing,
      prepare: ({ labels }) => {
        prepared.push([...labels]);
        return { labels };
      },
      loss: (inputs, context) => {
        trained.push(inputs.labels.data());
        return observesNothing.loss(inputs, context);
      },
    };
    const { validation: _, ...options } = commonOptions();
    const policy = bagPolicy();
    const run: TrainOptions<{ labels: Float64Array }> = { ...options, train: named, ...change, policy, method };
    for await (const { type } of train(run)) if (type === 'end') break;
    tf.dispose([...policy.variables]);
    return { prepared, trained: (await Promise.all(trained)).flatMap((labels) => Array.from(labels)) };
  }
  const counts = (positions: readonly number[]): number[] =>
    positions.reduce((count, at) => count.with(at, (count[at] as number) + 1), Array<number>(n).fill(0));

  test.each([10, 5, 4, 3, 1, 25])('refreshes of %i go through whole passes', async (refreshSize) => {
    const size = Math.min(refreshSize, n);
    const passes = 4;
    const { prepared, trained } = await shown({ refreshSize, refreshes: Math.ceil((passes * n) / size), epochs: 1 });
    const whole = prepared.flat();
    expect(prepared.every(({ length }) => length === size)).toBe(true);
    for (let pass = 0; (pass + 1) * n <= whole.length; pass++) {
      expect(counts(whole.slice(pass * n, (pass + 1) * n))).toEqual(Array(n).fill(1));
    }
    expect(whole.slice(0, n)).not.toEqual(whole.slice(n, 2 * n));
    expect(counts(trained)).toEqual(counts(whole));
  });

  test('the sampler says how often', async () => {
    const sample: Common['sample'] = (labels, rng) =>
      shuffledIndices(15, rng).map((i) => (i < labels.length ? i : 2 * (i - labels.length)));
    const once = [2, 1, 2, 1, 2, 1, 2, 1, 2, 1];
    for (const refreshSize of [15, 6, 4]) {
      const { prepared } = await shown({ sample, refreshSize, refreshes: 8, epochs: 1 });
      const whole = prepared.flat();
      for (let pass = 0; (pass + 1) * 15 <= whole.length; pass++) {
        expect(counts(whole.slice(pass * 15, (pass + 1) * 15))).toEqual(once);
      }
    }
  });

  test('targets are learned in place of the labels, by which is drawn and evaluated', async () => {
    const examples = drawExamples(12, 1);
    const targets = examples.labels.map((y, i) => 0.9 * y + 0.005 * i);
    const drawn: Float64Array[] = [];
    const told: number[][] = [];
    const spying: typeof observesNothing = {
      ...observesNothing,
      prepare: (observation) => {
        told.push([...observation.labels]);
        return observesNothing.prepare(observation);
      },
    };
    const sample: Common['sample'] = (labels) => {
      drawn.push(labels);
      return Int32Array.of(3, 1, 1, 0);
    };
    const run = (more: Partial<Common>) =>
      wholeSession((options) => train({ ...options, method: spying }), { ...commonOptions(), sample, ...more });
    const soft = await run({ train: { ...examples, targets }, validation: { ...examples, targets } });
    expect(new Set(drawn)).toEqual(new Set([examples.labels]));
    expect(told).toEqual(Array(3).fill([3, 1, 1, 0].map((i) => targets[i])));
    const plain = await run({ train: { ...examples, targets }, validation: examples });
    expect(soft.result).toEqual(plain.result);
    const same = await run({ train: { ...examples, targets: examples.labels }, validation: examples });
    const hard = await run({ train: examples, validation: examples });
    expect(same.result).toEqual(hard.result);
    expect(same.weights).toEqual(hard.weights);
    expect(soft.weights).not.toEqual(hard.weights);
  });

  test('every epoch of a refresh shows the same examples in another order', async () => {
    const { trained } = await shown({ refreshes: 1, epochs: 3 });
    const epochs = [0, 1, 2].map((epoch) => trained.slice(epoch * n, (epoch + 1) * n));
    for (const epoch of epochs) expect(counts(epoch)).toEqual(Array(n).fill(1));
    expect(new Set(epochs.map(String)).size).toBe(3);
  });
});

describe('options out of range', () => {
  test.each<[Partial<Common>, string]>([
    [{ refreshes: 0 }, 'train: refreshes must be an integer of at least 1; got 0'],
    [{ epochs: 1.5 }, 'train: epochs must be an integer of at least 1; got 1.5'],
    [{ batchSize: Number.NaN }, 'train: batchSize must be an integer of at least 1; got NaN'],
    [{ refreshSize: 0 }, 'train: refreshSize must be an integer of at least 1; got 0'],
    [{ microBatchSize: -1 }, 'train: microBatchSize must be an integer of at least 1; got -1'],
    [{ bucketWindow: 0 }, 'train: bucketWindow must be an integer of at least 1; got 0'],
    [{ targetKl: 0 }, 'train: targetKl must be positive; got 0'],
    [{ targetKl: Number.NaN }, 'train: targetKl must be positive; got NaN'],
    [{ patience: 0 }, 'train: patience must be an integer of at least 1; got 0'],
    [{ resume: true }, 'train: store must be given to resume; got undefined'],
    [{ seed: 0.5 }, 'createRng: seed must be an integer; got 0.5'],
    [{ train: { sequences: [], labels: new Float64Array() } }, 'train: train must be at least one example; got "none"'],
  ])('%j', async (change, message) => {
    const events = starts.nothing({ ...commonOptions(), ...change, policy: bagPolicy() });
    const error: unknown = await events.next().catch((e: unknown) => e);
    expect(error).toBeInstanceOf(OptionError);
    expect((error as Error).message).toBe(message);
  });

  test('labels and sequences that do not match', async () => {
    const examples = { ...drawExamples(3, 1), labels: new Float64Array(2) };
    await expect(session(starts.nothing, { ...commonOptions(), train: examples })).rejects.toThrow(
      'train: the labels of train must be of length 3; got length 2',
    );
    await expect(session(starts.nothing, { ...commonOptions(), validation: examples })).rejects.toThrow(
      'train: the labels of validation must be of length 3; got length 2',
    );
  });

  test('targets and sequences that do not match', async () => {
    const examples = { ...drawExamples(3, 1), targets: new Float64Array(2) };
    await expect(session(starts.nothing, { ...commonOptions(), train: examples })).rejects.toThrow(
      'train: the targets of train must be of length 3; got length 2',
    );
  });

  test('a target divergence for a method that does not tell its own', async () => {
    await expect(session(starts.logits, { ...commonOptions(), targetKl: 0.1 })).rejects.toThrow(
      new OptionError('train', 'targetKl', 'left out for a method without the metric policy/kl', 0.1),
    );
  });

  test('a checkpoint of a method that kept no reference', async () => {
    const store = memoryStore();
    await session(starts.nothing, { ...commonOptions(), ...everyStep, store }, 4);
    await expect(session(starts.reference, { ...commonOptions(), store, resume: true })).rejects.toThrow(
      new StateError('checkpoint', 'holds no reference scores, which leashed asks for'),
    );
  });

  test('values that the policy does not give', async () => {
    const events = starts.values({ ...commonOptions(), policy: bagPolicy({ values: false }) });
    await events.next();
    await events.next();
    await expect(events.next()).rejects.toThrow('scoreExamples: the policy gives no values V(x)');
  });
});
