import * as tf from '@tensorflow/tfjs-core';
import { type Json, StateError, show } from '@tsrl/core';
import type { OptimizerState } from '@tsrl/optim';
import type { BinaryPolicy } from '@tsrl/tensor';
import type { Snapshot } from './checkpoint.js';
import type { Evaluation, StopReason } from './events.js';
import type { Scored } from './score-examples.js';

/** Weights of a policy by variable name, on the host. */
export type Weights = Readonly<Record<string, { readonly shape: readonly number[]; readonly data: Float32Array }>>;

/** Everything about a run that changes while it trains. */
export interface RunState {
  /** The next minibatch: which of which pass of which refresh, all from 0. */
  refresh: number;
  epoch: number;
  batch: number;
  step: number;
  tokens: number;
  seconds: number;
  /** Sum of KL(π_old ‖ π) over the examples of the present epoch, and whether an epoch of this refresh went too far. */
  kl: number;
  far: boolean;
  stopped: StopReason | null;
  history: Evaluation[];
  /** Sums of the metrics of the steps since the last evaluation, and how many steps. */
  sums: Record<string, number>;
  summed: number;
  /** Index in `history` of the best evaluation, its score and its weights. */
  best: { index: number; score: number; weights: Weights } | null;
  /** What the policy said of all examples when the present refresh began. */
  observed: Scored | null;
  /** What it said of them before the first step, where the method asks for it. */
  reference: Scored | null;
  optimizer: OptimizerState;
}

/** The state of a run that has not begun. */
export const initialState = (optimizer: OptimizerState): RunState => ({
  refresh: 0,
  epoch: 0,
  batch: 0,
  step: 0,
  tokens: 0,
  seconds: 0,
  kl: 0,
  far: false,
  stopped: null,
  history: [],
  sums: {},
  summed: 0,
  best: null,
  observed: null,
  reference: null,
  optimizer,
});

export async function readWeights(variables: readonly tf.Variable[]): Promise<Weights> {
  const weights: Record<string, Weights[string]> = {};
  for (const variable of variables) {
    weights[variable.name] = { shape: variable.shape, data: Float32Array.from(await variable.data()) };
  }
  return weights;
}

/** Puts weights that are known to fit into the variables. */
export function assignWeights(variables: readonly tf.Variable[], weights: Weights): void {
  for (const variable of variables) {
    const tensor = tf.tensor((weights[variable.name] as Weights[string]).data, variable.shape);
    variable.assign(tensor);
    tensor.dispose();
  }
}

/** The run as a snapshot; `configuration` is what a resumed run must share with it. */
export async function toSnapshot(state: RunState, policy: BinaryPolicy, configuration: Json): Promise<Snapshot> {
  const { optimizer, best, observed, reference, ...rest } = state;
  const moments: Record<string, { shape: readonly number[]; data: Float32Array }> = {};
  for (const [name, tensor] of Object.entries(optimizer.tensors)) {
    moments[name] = { shape: tensor.shape, data: Float32Array.from(await tensor.data()) };
  }
  return {
    tensors: {
      ...prefixed('weights/', await readWeights(policy.variables)),
      ...prefixed('optimizer/', moments),
      ...(best ? prefixed('best/', best.weights) : {}),
      ...prefixed('observed/', columnsOf(observed)),
      ...prefixed('reference/', columnsOf(reference)),
    },
    state: {
      configuration,
      run: rest as unknown as Json,
      optimizerStep: optimizer.step,
      best: best && { index: best.index, score: best.score },
    },
  };
}

/**
 * Puts the weights of a snapshot into the policy and returns the state of its run.
 *
 * @throws StateError when the snapshot is of another configuration, model or optimizer; nothing has changed then
 */
export function fromSnapshot(
  { tensors, state }: Snapshot,
  policy: BinaryPolicy,
  fresh: OptimizerState,
  configuration: Json,
): RunState {
  const saved = state as unknown as {
    configuration: Json;
    run: Omit<RunState, 'optimizer' | 'best' | 'observed' | 'reference'>;
    optimizerStep: number;
    best: { index: number; score: number } | null;
  };
  const differing = differences(saved.configuration, configuration);
  if (differing.length > 0) {
    throw new StateError('checkpoint', `is of another configuration: ${differing.join('; ')}`);
  }
  const under = (prefix: string): Weights => {
    const chosen = Object.entries(tensors).filter(([name]) => name.startsWith(prefix));
    return Object.fromEntries(chosen.map(([name, tensor]) => [name.slice(prefix.length), tensor]));
  };
  const model = Object.fromEntries(policy.variables.map((variable) => [variable.name, variable]));
  const [weights, best, moments] = [under('weights/'), under('best/'), under('optimizer/')];
  expectFit('model', weights, model);
  if (saved.best) expectFit('model', best, model);
  expectFit('optimizer', moments, fresh.tensors);
  assignWeights(policy.variables, weights);
  return {
    ...saved.run,
    best: saved.best && { ...saved.best, weights: best },
    observed: scoredFrom(under('observed/')),
    reference: scoredFrom(under('reference/')),
    optimizer: {
      step: saved.optimizerStep,
      tensors: Object.fromEntries(
        Object.entries(moments).map(([name, { shape, data }]) => [name, tf.tensor(data, [...shape])]),
      ),
    },
  };
}

const prefixed = (prefix: string, weights: Weights): Weights =>
  Object.fromEntries(Object.entries(weights).map(([name, weight]) => [prefix + name, weight]));

/** Scores as tensors; they were float32 on the device, so nothing is lost. */
const columnsOf = (scored: Scored | null): Weights =>
  Object.fromEntries(
    Object.entries<Float64Array>({ ...scored }).map(([name, column]) => [
      name,
      { shape: [column.length], data: Float32Array.from(column) },
    ]),
  );

const scoredFrom = (columns: Weights): Scored | null => {
  const { logits, ...others } = Object.fromEntries(
    Object.entries(columns).map(([name, { data }]) => [name, Float64Array.from(data)]),
  );
  return logits ? { logits, ...others } : null;
};

type Shapes = Readonly<Record<string, { readonly shape: readonly number[] }>>;

/** Throws a StateError that lists every tensor that is there or here only, or has two shapes. */
function expectFit(what: string, there: Shapes, here: Shapes): void {
  const shapeOf = (tensors: Shapes, name: string): string =>
    tensors[name] ? `[${tensors[name].shape.join(', ')}]` : 'missing';
  const misfits = [...new Set([...Object.keys(there), ...Object.keys(here)])]
    .filter((name) => shapeOf(there, name) !== shapeOf(here, name))
    .map((name) => `${name} is ${shapeOf(there, name)} there and ${shapeOf(here, name)} here`);
  if (misfits.length > 0) throw new StateError('checkpoint', `does not fit the ${what}: ${misfits.join('; ')}`);
}

/** Where two configurations differ, one sentence each: `batchSize is 32 there and 64 here`. */
export function differences(there: Json, here: Json, path = ''): string[] {
  if (isObject(there) && isObject(here)) {
    const keys = new Set([...Object.keys(there), ...Object.keys(here)]);
    return [...keys].flatMap((key) =>
      differences(there[key] ?? null, here[key] ?? null, path === '' ? key : `${path}.${key}`),
    );
  }
  if (JSON.stringify(there) === JSON.stringify(here)) return [];
  return [`${path || 'it'} is ${show(there)} there and ${show(here)} here`];
}

const isObject = (value: Json): value is { readonly [key: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
