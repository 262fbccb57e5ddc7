import * as tf from '@tensorflow/tfjs-core';
import { createRng, expectLength, type Json, OptionError, type Rng, StateError } from '@tsrl/core';
import { bucketedBatches, shuffledIndices } from '@tsrl/data';
import { type BinaryMetrics, binaryMetrics } from '@tsrl/evaluation';
import { installFastKernels } from '@tsrl/kernels/tfjs';
import type { GradientTransform } from '@tsrl/optim';
import type { BinaryPolicy } from '@tsrl/tensor';
import type { CheckpointStore, Snapshot } from './checkpoint.js';
import type { Evaluation, StopReason, TrainEvent } from './events.js';
import type { Examples } from './examples.js';
import type { ComputeGradients } from './gradients.js';
import { type Columns, type Method, requestOf } from './method.js';
import { expectLogits, observation, observe, pick } from './observation.js';
import { assignWeights, fromSnapshot, initialState, type RunState, readWeights, toSnapshot } from './run-state.js';
import { type ScoreExamples, scoreExamples } from './score-examples.js';
import { trainStep } from './train-step.js';
import { WorkerError } from './worker-error.js';

/** The positions of one pass over the data, in random order; the same number each time. */
export type Sampler = (labels: Float64Array, rng: Rng) => Int32Array;

export interface TrainOptions<C extends Columns> {
  readonly policy: BinaryPolicy;
  readonly method: Method<C>;
  readonly optimizer: GradientTransform;
  readonly train: Examples;
  /** Evaluated after every refresh or epoch; without it the last weights are kept. */
  readonly validation?: Examples;
  /** What a pass shows; every example once, shuffled, by default. `balancedIndices` of @tsrl/data is the other one. */
  readonly sample?: Sampler;
  readonly seed: number;
  /**
   * How often the behaviour policy is taken anew. With `refreshSize` this gives the modes of core.md 2.11: a refresh for
   * every pass over the data (default); one for every M minibatches, by `refreshSize: M * batchSize` and `epochs: 1`; or
   * `refreshes: 1`, the behaviour policy frozen for the whole run, which the event `start` tells as `frozen`: a clipped
   * objective then stops pulling where the first refresh would end.
   */
  readonly refreshes: number;
  /** Passes over the examples of a refresh. */
  readonly epochs: number;
  /** Examples of a refresh; a whole pass by default. Smaller refreshes go through pass after pass, leaving nothing out. */
  readonly refreshSize?: number;
  /**
   * Positive; off by default, 0.05 is usual where it is on. Ends the epochs of a refresh after one in which the mean of
   * the metric `policy/kl` over the examples shown exceeds 1.5 times this: KL(π_old ‖ π) as the steps began.
   */
  readonly targetKl?: number;
  readonly batchSize: number;
  /** Examples whose activations are held at once; the batch by default. The result differs by rounding only. */
  readonly microBatchSize?: number;
  /** Batches whose texts are sorted by length together (see `bucketedBatches`). */
  readonly bucketWindow?: number;
  readonly evaluateEach?: 'refresh' | 'epoch';
  /** Which evaluation is the best: the greater the better; balanced accuracy by default. The earlier of equals wins. */
  readonly score?: (metrics: BinaryMetrics) => number;
  /** Evaluations without improvement after which training ends; never by default. */
  readonly patience?: number;
  /** `installFastKernels()` of @tsrl/kernels/tfjs on the current backend first, for the whole process; true. */
  readonly fastKernels?: boolean;
  /** How gradients are computed: in this thread by default, or by `startWorkers` of `@tsrl/training/node`. */
  readonly compute?: ComputeGradients;
  /** How texts are scored, likewise. */
  readonly scoreExamples?: ScoreExamples;
  /** Where to keep checkpoints: one at every evaluation, and one whenever `checkpointSeconds` have passed. */
  readonly store?: CheckpointStore;
  readonly checkpointSeconds?: number;
  /** Go on from what `store` holds; a store that holds nothing begins anew. */
  readonly resume?: boolean;
  /** What a resumed run must share with its checkpoint, beside the model; any JSON. */
  readonly configuration?: Json;
  /**
   * Ends training early, with a last evaluation; counted over all sessions of a resumed run. The checkpoint stays
   * without that evaluation, so that a run resumed with more time goes on as if it had not been stopped.
   */
  readonly maxSeconds?: number;
  /** Ends training at the next step, after a checkpoint, without another evaluation. */
  readonly signal?: { readonly aborted: boolean };
}

/**
 * Trains a policy in place and tells what happens, event by event; the last one holds the result, and the policy then
 * has its best weights. Nothing is printed and nothing is drawn.
 *
 *   for each refresh: observe the policy on the refresh's examples, let the method prepare its columns (rewards,
 *   advantages), then `epochs` passes of minibatch steps, or fewer by `targetKl`; evaluate, keep the best, write a
 *   checkpoint.
 *
 * A run is a function of its options: the same seed gives the same history and weights on one backend, bit for bit,
 * also when it was killed and resumed in between. Every random stream is forked from the seed by what it is for, so a
 * checkpoint holds counters, not generators.
 *
 * @see core.md 2.11
 * When a worker of `compute` or `scoreExamples` fails or dies, a checkpoint of the last complete step is written before
 * the error is thrown.
 *
 * @throws OptionError; DivergenceError when a loss is no longer a number; StateError when the checkpoint does not fit;
 *   WorkerError
 */
export async function* train<C extends Columns>(options: TrainOptions<C>): AsyncGenerator<TrainEvent, void, undefined> {
  const { policy, method, optimizer, train: examples, validation, store } = options;
  const { sample = (labels, rng) => shuffledIndices(labels.length, rng), score = (m) => m.balancedAccuracy } = options;
  const { scoreExamples: scoring = scoreExamples } = options;
  const { refreshes, epochs, batchSize, evaluateEach = 'refresh', checkpointSeconds = 30 } = options;
  const { configuration = null, maxSeconds = Number.POSITIVE_INFINITY, patience = Number.POSITIVE_INFINITY } = options;
  const counts = optional(options, 'refreshSize', 'microBatchSize', 'bucketWindow', 'patience');
  expectCounts({ refreshes, epochs, batchSize, ...counts });
  if (options.resume && !store) throw new OptionError('train', 'store', 'given to resume', store);
  expectExamples('train', examples);
  if (validation) expectExamples('validation', validation);

  if (options.fastKernels !== false) {
    await tf.ready();
    installFastKernels();
  }

  const { targetKl = Number.POSITIVE_INFINITY } = options;
  if (!(targetKl > 0)) throw new OptionError('train', 'targetKl', 'positive', targetKl);
  const observes = method.observes.some((what) => what !== 'refLogits');
  const root = createRng(options.seed);
  const draw = (index: number) => ({ index, positions: sample(examples.labels, root.fork(`pass ${index}`)) });
  let drawn = draw(0);
  const pass = (index: number): Int32Array => {
    if (drawn.index !== index) drawn = draw(index); // small refreshes stay in one pass for long
    return drawn.positions;
  };
  const passSize = drawn.positions.length;
  const size = Math.min(options.refreshSize ?? passSize, passSize);
  const lengths = Int32Array.from(examples.sequences, (sequence) => sequence.length);
  const totalSteps = refreshes * epochs * Math.ceil(size / batchSize);

  const run = begin(policy, optimizer, options.resume ? await store?.load() : undefined, configuration);
  if (run.stopped === null && run.step > 0 && run.seconds >= maxSeconds) run.stopped = 'time';

  let clock = performance.now();
  let saved = clock;
  let savedStep = run.step;
  const tick = (): void => {
    const now = performance.now();
    run.seconds += (now - clock) / 1000;
    clock = now;
  };
  async function* checkpoint(): AsyncGenerator<TrainEvent> {
    if (!store) return;
    tick();
    await store.save(await toSnapshot(run, policy, configuration));
    saved = performance.now();
    savedStep = run.step;
    yield { type: 'checkpoint', step: run.step };
  }
  async function* evaluate(epoch: number): AsyncGenerator<TrainEvent> {
    let metrics: BinaryMetrics | null = null;
    if (validation) {
      yield { type: 'evaluate', examples: validation.sequences.length };
      const { logits } = await scoring(policy, validation.sequences);
      expectLogits(method.name, run.step, logits);
      metrics = binaryMetrics({ logits, labels: validation.labels });
    }
    const value = metrics ? score(metrics) : Number.NEGATIVE_INFINITY;
    const best = metrics !== null && value > (run.best?.score ?? Number.NEGATIVE_INFINITY);
    if (best) run.best = { index: run.history.length, score: value, weights: await readWeights(policy.variables) };
    const means = Object.entries(run.sums).map(([name, sum]) => [name, sum / run.summed]);
    const { step, tokens } = run;
    const at = { refresh: run.refresh + 1, epoch, step, tokens };
    const evaluation: Evaluation = { ...at, train: Object.fromEntries(means), validation: metrics, best };
    run.history.push(evaluation);
    run.sums = {};
    run.summed = 0;
    if (run.best && run.history.length - 1 - run.best.index >= patience) run.stopped = 'patience';
    yield { type: 'evaluation', evaluation };
  }

  try {
    const frozen = observes && refreshes === 1;
    yield { type: 'start', totalSteps, step: run.step, history: [...run.history], frozen };
    if (method.observes.includes('refLogits') && run.reference === null) {
      if (run.step > 0) {
        throw new StateError('checkpoint', `holds no reference scores, which ${method.name} asks for`);
      }
      yield { type: 'reference', examples: examples.sequences.length };
      const { logMass = false } = requestOf(method);
      run.reference = await scoring(policy, examples.sequences, { logMass });
      expectLogits(method.name, run.step, run.reference.logits);
    }
    while (run.stopped === null && run.refresh < refreshes) {
      const positions = stretch(pass, passSize, run.refresh * size, size);
      const rng = root.fork(`refresh ${run.refresh}`);
      if (observes && run.observed === null) {
        yield { type: 'observe', refresh: run.refresh + 1, examples: new Set(positions).size };
        run.observed = await observe(scoring, policy, method, examples, positions);
        expectLogits(method.name, run.step, run.observed.logits);
      }
      const columns = method.prepare({
        labels: pick(examples.targets ?? examples.labels, positions),
        ...observation(method, run, positions),
        rng: rng.fork('prepare'),
      });

      while (run.stopped === null && run.epoch < epochs && !run.far) {
        const shuffle = rng.fork(`epoch ${run.epoch}`);
        const order = shuffledIndices(size, shuffle);
        const window = options.bucketWindow === undefined ? {} : { window: options.bucketWindow };
        const batches = bucketedBatches(pick(lengths, positions), order, batchSize, shuffle, window);
        while (run.stopped === null && run.batch < batches.length) {
          const rows = batches[run.batch] as Int32Array;
          const minibatch = { examples, positions: pick(positions, rows), columns, rows };
          const how = { step: run.step, ...optional(options, 'microBatchSize', 'compute') };
          const step = await trainStep(policy, method, optimizer, run.optimizer, minibatch, how);
          run.optimizer = step.state;
          run.step++;
          run.batch++;
          for (const row of rows) run.tokens += lengths[positions[row] as number] as number;
          for (const [name, value] of Object.entries(step.metrics)) run.sums[name] = (run.sums[name] ?? 0) + value;
          run.summed++;
          if (options.targetKl !== undefined) run.kl += divergenceOf(step.metrics, options.targetKl) * rows.length;
          const { refresh, epoch, tokens } = run;
          const where = { step: run.step, totalSteps, refresh: refresh + 1, epoch: epoch + 1, tokens };
          yield { type: 'step', ...where, metrics: step.metrics };

          tick();
          if (options.signal?.aborted) run.stopped = 'aborted';
          else if (run.seconds >= maxSeconds) run.stopped = 'time';
          else if ((performance.now() - saved) / 1000 >= checkpointSeconds) yield* checkpoint();
        }
        if (run.stopped !== null) break;
        // The state moves on after the evaluation: one that fails is not skipped when the run is resumed.
        if (evaluateEach === 'epoch') yield* evaluate(run.epoch + 1);
        const kl = run.kl / size;
        run.epoch++;
        run.far = run.epoch < epochs && kl > 1.5 * targetKl;
        run.batch = 0;
        run.kl = 0;
        if (run.far) yield { type: 'targetKl', refresh: run.refresh + 1, epoch: run.epoch, kl };
        if (evaluateEach === 'epoch' && run.epoch < epochs) yield* checkpoint();
      }
      if (run.stopped === 'aborted' || run.stopped === 'time') break;
      if (evaluateEach === 'refresh') yield* evaluate(run.epoch);
      run.refresh++;
      run.epoch = 0;
      run.far = false;
      run.observed = null;
      if (run.stopped === null && run.refresh < refreshes) yield* checkpoint();
    }

    const stopped: StopReason = run.stopped ?? 'completed';
    if (stopped === 'aborted' || stopped === 'time') {
      run.stopped = null; // a resumed run goes on
      yield* checkpoint();
      if (stopped === 'time' && run.summed > 0) yield* evaluate(run.epoch);
    } else {
      run.stopped = stopped;
      yield* checkpoint();
    }
    tick();
    if (run.best && stopped !== 'aborted') assignWeights(policy.variables, run.best.weights);
    const { history, tokens, seconds, step: steps } = run;
    const best = run.best && stopped !== 'aborted' ? (history[run.best.index] as Evaluation) : null;
    yield { type: 'end', result: { history, stopped, best, steps, tokens, seconds } };
  } catch (error) {
    if (error instanceof WorkerError && run.step > savedStep) yield* checkpoint();
    throw error;
  } finally {
    for (const tensor of Object.values(run.optimizer.tensors)) tensor.dispose();
  }
}

/** The state to go on from; the policy then has the weights of the snapshot. */
function begin(
  policy: BinaryPolicy,
  optimizer: GradientTransform,
  snapshot: Snapshot | undefined,
  configuration: Json,
): RunState {
  const fresh = optimizer.init(policy.variables);
  if (!snapshot) return initialState(fresh);
  try {
    return fromSnapshot(snapshot, policy, fresh, configuration);
  } finally {
    for (const tensor of Object.values(fresh.tensors)) tensor.dispose();
  }
}

/** `size` positions of one pass after the other, counted from the start of the first. */
function stretch(pass: (index: number) => Int32Array, passSize: number, start: number, size: number): Int32Array {
  const first = Math.floor(start / passSize);
  const from = start - first * passSize;
  const positions = pass(first).slice(from, from + size);
  if (positions.length === size) return positions;
  return Int32Array.from([...positions, ...pass(first + 1).subarray(0, size - positions.length)]);
}

/** The named options that are given: what is absent stays absent. */
function optional<T extends object, K extends keyof T>(options: T, ...names: K[]): { [P in K]?: NonNullable<T[P]> } {
  return Object.fromEntries(
    names.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]),
  ) as {
    [P in K]?: NonNullable<T[P]>;
  };
}

function expectExamples(option: string, { sequences, labels, targets }: Examples): void {
  if (sequences.length === 0) throw new OptionError('train', option, 'at least one example', 'none');
  expectLength('train', `the labels of ${option}`, labels, sequences.length);
  if (targets) expectLength('train', `the targets of ${option}`, targets, sequences.length);
}

/** @throws OptionError when the method does not tell how far the policy is from the behaviour policy */
function divergenceOf(metrics: Readonly<Record<string, number>>, targetKl: number): number {
  const kl = metrics['policy/kl'];
  if (kl === undefined) {
    throw new OptionError('train', 'targetKl', 'left out for a method without the metric policy/kl', targetKl);
  }
  return kl;
}

function expectCounts(counts: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(counts)) {
    if (!(Number.isInteger(value) && value >= 1))
      throw new OptionError('train', name, 'an integer of at least 1', value);
  }
}
