import * as tf from '@tensorflow/tfjs-core';
import { DataError, OptionError, ShapeError, StateError, show } from '@tsrl/core';
import type { BinaryPolicy, TokenBatch } from '@tsrl/tensor';
import { createHead, type HeadInit, linear, type SharedForm, valuesOf } from './binary-policy.js';
import type { WeightSource } from './named-variables.js';

/** Vectors that were computed once, row-major: `data[row · columns + column]`. */
export interface Features {
  readonly data: Float32Array;
  readonly rows: number;
  readonly columns: number;
}

export interface FeaturePolicyOptions extends HeadInit, Partial<Pick<SharedForm, 'valueHead'>> {
  /** Where the bias starts: the log-odds of class 1 among the labels, when classes are not balanced. Default 0. */
  readonly bias?: number;
}

/** A head over vectors in place of a language model. */
export interface FeaturePolicy extends BinaryPolicy {
  /** The sequence that stands for a row of the features. @throws OptionError for a number that is no row */
  encode(row: number): Int32Array;
  /** The variables, by the name under which `headPolicy` saves them. */
  readonly head: ReadonlyMap<string, tf.Variable>;
  /** Frees the head and the vectors on the device. */
  dispose(): void;
}

/**
 * The head of `headPolicy` with `trainable: 'head'` over vectors h that were computed once (`textFeatures`,
 * `sequenceFeatures`), for when the language model stays as it is:
 *
 *   z = w · h + b,   π(1 | x) = sigmoid(z),   V = v · h + c
 *
 * The vectors go to the device once, and a text is the sequence `[row]`: whatever takes a policy and sequences takes
 * this one. Variables have the names of `headPolicy`, which takes a trained head over by {@link headWeights}.
 *
 * @throws ShapeError when the data are not [rows, columns], DataError for a vector that is not finite, OptionError for
 * an option out of its range; by `score`, ShapeError for sequences longer than a row's number, DataError for a number
 * that is no row (on webgpu, which cannot look at the numbers, such a row is of zeros)
 */
export function featurePolicy(
  { data, rows, columns }: Features,
  { valueHead = false, bias = 0, rng, weights, scope }: FeaturePolicyOptions = {},
): FeaturePolicy {
  const who = 'featurePolicy';
  if (!Number.isFinite(bias)) throw new OptionError(who, 'bias', 'finite', bias);
  if (!(rows > 0 && columns > 0 && data.length === rows * columns)) {
    throw new ShapeError(who, 'features', `[${rows}, ${columns}], both at least 1`, `${data.length} numbers`);
  }
  const wrong = data.findIndex((x) => !Number.isFinite(x));
  if (wrong >= 0) {
    throw new DataError(who, `row ${Math.floor(wrong / columns)} of the features has ${data[wrong]} in it`);
  }
  const form: SharedForm = { valueHead, detachValueFeatures: false }; // behind the features there is nothing to detach
  const head = createHead(
    valueHead ? ['score', 'value'] : ['score'],
    columns,
    { score: bias },
    { rng, weights, scope },
  );
  const table = tf.tidy(() => tf.tensor2d(data, [rows, columns]));

  return {
    variables: [...head.values()],
    score: (tokens, { values = false } = {}) =>
      tf.tidy(() => {
        const h = vectorsOf(table, tokens);
        const logits = linear(head, 'score', h);
        return values ? { logits, values: valuesOf(who, form, head, h) } : { logits };
      }),
    encode(row) {
      if (Number.isSafeInteger(row) && row >= 0 && row < rows) return Int32Array.of(row);
      throw new OptionError(who, 'row', `an integer from 0 to ${rows - 1}`, row);
    },
    head,
    dispose: () => tf.dispose([table, ...head.values()]),
  };
}

/** Rows of the table, [B, H]. */
function vectorsOf(table: tf.Tensor2D, { ids }: TokenBatch): tf.Tensor2D {
  if (ids.rank !== 2 || ids.dtype !== 'int32' || ids.shape[1] !== 1) {
    throw new ShapeError(
      'featurePolicy',
      'ids',
      'int32 [B, 1], the row of each text',
      `${ids.dtype} ${show(ids.shape)}`,
    );
  }
  try {
    return tf.gather(table, tf.reshape(ids, [ids.shape[0]]));
  } catch (cause) {
    const problem = `a text must be the number of one of ${table.shape[0]} rows: ${(cause as Error).message}`;
    throw new DataError('featurePolicy', problem, { cause });
  }
}

/**
 * The elements of a head, for another policy to start from: a head that was trained over features, put onto the model
 * that gave them.
 *
 *   headPolicy(language, { trainable: 'head', weights: await headWeights(trained) })
 *
 * Both have variables of the same names: dispose of the first, or give the second a `scope`.
 *
 * @throws StateError, by the policy that starts from them, when it has a head that the first has not
 */
export async function headWeights({ head }: Pick<FeaturePolicy, 'head'>): Promise<WeightSource> {
  const data = new Map<string, Float32Array>();
  for (const [name, variable] of head) data.set(name, Float32Array.from(await variable.data()));
  return (name) => {
    const found = data.get(name);
    if (found) return found;
    throw new StateError('headWeights', `there is no ${name} among ${show([...data.keys()])}`);
  };
}
