import * as tf from '@tensorflow/tfjs-core';
import {
  type Aggregate,
  expectShape,
  hasTokenGradients,
  type Loss,
  type LossResult,
  type PerToken,
  type StepContext,
  scaleBy,
  stopGradient,
  type TokenGradientOptions,
  type TokenGradients,
  type TokenStatistics,
  withGradient,
} from '@tsrl/tensor';
import { type TokenTerm, tokenTermsOf } from './token-terms.js';

/** What the log-probs and entropies of a loss are computed from. */
export interface TokenSource {
  readonly kind: 'logits' | 'linear';
  /** What the gradient is taken in. */
  readonly differentiable: readonly tf.Tensor[];
  /** In one pass, with the gradient in `differentiable`. */
  gradients(options: Omit<TokenGradientOptions, 'temperature'>): TokenGradients;
  statistics(ids: tf.Tensor2D): TokenStatistics<tf.Tensor2D>;
}

/** The loss of tokens whose log-probs and entropies come out of `source`; `rest` are its other inputs. */
export function evaluateTokens<Inputs>(
  loss: Loss<Inputs>,
  { ids, mask, rest }: { readonly ids: tf.Tensor2D; readonly mask: PerToken; readonly rest: object },
  source: TokenSource,
  context: StepContext,
): LossResult {
  return tf.tidy(() => {
    // An id of −100 asks for nothing.
    const counted = tf.where(tf.notEqual(mask, 0), ids, tf.fill(ids.shape, -100, 'int32')) as tf.Tensor2D;
    const evaluate = (logProbs: PerToken, entropy: PerToken | undefined): LossResult =>
      loss({ ...rest, logProbs, entropy } as Inputs, context);

    const terms = tokenTermsOf(loss)?.(context);
    // Within another operation (a customGrad) nothing is recorded.
    const { gradientDepth, kernelDepth } = tf.engine().state;
    const differentiated = gradientDepth > 0 && kernelDepth === 0;
    if (!(terms && differentiated && hasTokenGradients(source.kind))) {
      const { logProbs, entropy } = source.statistics(counted);
      const asked = tf.notEqual(counted, -100);
      return { ...evaluate(logProbs, tf.where(asked, entropy, tf.zerosLike(entropy)) as PerToken) };
    }
    const inputs = rest as Readonly<Record<string, PerToken>>;
    const who = source.kind === 'logits' ? 'fromLogits' : 'fromHidden';
    for (const name of terms.flatMap((term) => term.inputs)) {
      expectShape(who, name, inputs[name] as PerToken, mask.shape);
    }
    const columns = columnsOf(terms, inputs, mask, context);
    // Everything happens inside one differentiable operation, where the tape records nothing; the metrics get out of it.
    const kept: Record<string, tf.Scalar> = {};
    const value = withGradient(
      source.differentiable,
      () => {
        const { logProbs, entropy, gradients } = source.gradients({
          ids: counted,
          columns,
          slopes: slopesOf(terms),
          entropy: terms.some(({ of }) => of === 'entropy'),
        });
        const result = evaluate(logProbs, entropy);
        for (const [name, metric] of Object.entries(result.metrics)) kept[name] = tf.keep(tf.clone(metric));
        return { value: result.loss, saved: gradients };
      },
      (dy, saved) => saved.map((gradient) => scaleBy(gradient, dy)),
    );
    const metrics = Object.fromEntries(Object.entries(kept).map(([name, metric]) => [name, tf.clone(metric)]));
    tf.dispose(kept);
    return { loss: value, metrics };
  });
}

/** [B·T, C]: for each term its weight, which is what its aggregate makes of a token's loss of 1, and its inputs. */
function columnsOf(
  terms: readonly TokenTerm[],
  inputs: Readonly<Record<string, PerToken>>,
  mask: PerToken,
  context: StepContext,
): tf.Tensor2D {
  const own = stopGradient(mask);
  const weights = new Map<Aggregate, tf.Tensor>();
  for (const { aggregate } of terms) {
    if (weights.has(aggregate)) continue;
    weights.set(aggregate, tf.grad((x) => aggregate(x as PerToken, own, context))(tf.zerosLike(own)));
  }
  const columns = terms.flatMap(({ aggregate, inputs: names }) => [
    weights.get(aggregate) as tf.Tensor,
    ...names.map((name) => stopGradient(inputs[name] as PerToken)),
  ]);
  return tf.reshape(tf.stack(columns, 2), [mask.size, columns.length]);
}

/** Adds the terms up. */
function slopesOf(terms: readonly TokenTerm[]): TokenGradientOptions['slopes'] {
  return (logProb, entropy, columns, at, out) => {
    let next = at;
    for (const { of, inputs, slope } of terms) {
      const weight = columns[next] as number;
      // A token of weight 0 may hold anything, NaN too.
      if (weight !== 0) {
        if (of === 'logProbs') (out[0] as number) += weight * slope(logProb, columns, next + 1);
        else (out[1] as number) += weight * slope(entropy, columns, next + 1);
      }
      next += 1 + inputs.length;
    }
  };
}
