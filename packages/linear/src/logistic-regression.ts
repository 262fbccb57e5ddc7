import { DataError, DivergenceError, expectLength, OptionError, ShapeError, sigmoid, softplus } from '@tsrl/core';
import { expectConsistent, expectFiniteFeatures, type Features } from './features.js';
import { matrixOf } from './matrix.js';

/** Log-odds w·x + b of a point x. */
export interface LinearClassifier {
  readonly weights: Float64Array;
  readonly bias: number;
}

/** Points with a label each. */
export interface LabelledFeatures {
  /** [N, D], finite. */
  readonly features: Features;
  /** [N], 0 or 1, both present. */
  readonly labels: ArrayLike<number>;
  /** [N], how much each counts, at least 0; all 1 when left out. */
  readonly weights?: ArrayLike<number>;
}

/** Options of {@link logisticRegression}. */
export interface LogisticRegressionOptions {
  /** C > 0, the weight of the data against the penalty; default 1, as in scikit-learn. */
  readonly inverseRegularization?: number;
  /** `balanced`: both classes count the same in all, with the same total as before. Default `none`. */
  readonly classWeights?: 'none' | 'balanced';
  /** The fit ends at a gradient this many times that at 0, or smaller; in (0, 1), default 1e-10. */
  readonly tolerance?: number;
}

/**
 * Logistic regression with an L2 penalty on all but the bias: the minimum of
 *
 *   F(w, b) = ½ |w|² + C Σ_i c_i softplus(−s_i (w·x_i + b)),  s_i = 2 y_i − 1
 *
 * with c_i the weight of example i, and under `balanced` class weights W / (2 W_y) times that, W and W_y being the sums
 * of the weights of all and of the class of the example.
 *
 * By Newton's method, each step by conjugate gradients on (diag(1, 0) + C Xᵀ D X) δ = −∇F, which never forms the matrix:
 * a product costs as much as a gradient, for thousands of dimensions too. F is strictly convex when both classes are
 * there, so that the minimum is unique; backtracking makes every step lower it. Nothing is random.
 *
 * Differences: scikit-learn's `LogisticRegression` has the same minimum, but its default solver lbfgs stops where the
 * gradient of the mean loss is 1e-4, with probabilities that can still be some hundredths off; `liblinear` penalises the
 * bias too.
 *
 * @throws OptionError, ShapeError; DataError for a label other than 0 and 1, a class without weight, a feature that is
 *   not finite, a weight below 0; DivergenceError when 100 Newton steps do not bring |∇F| below `tolerance` times its
 *   value at 0 (at least 1)
 * @see Lin, Weng and Keerthi 2008, "Trust region Newton method for large-scale logistic regression"
 */
export function logisticRegression(
  { features, labels, weights }: LabelledFeatures,
  { inverseRegularization: C = 1, classWeights = 'none', tolerance = 1e-10 }: LogisticRegressionOptions = {},
): LinearClassifier {
  const who = 'logisticRegression';
  if (!(C > 0 && C < Number.POSITIVE_INFINITY)) {
    throw new OptionError(who, 'inverseRegularization', 'positive and finite', C);
  }
  if (classWeights !== 'none' && classWeights !== 'balanced') {
    throw new OptionError(who, 'classWeights', "'none' or 'balanced'", classWeights);
  }
  if (!(tolerance > 0 && tolerance < 1)) throw new OptionError(who, 'tolerance', 'between 0 and 1', tolerance);
  expectConsistent(who, features);
  const cost = costs(who, features.rows, labels, weights, classWeights).map((c) => C * c);
  expectFiniteFeatures(who, features);
  return minimum(features, labels, cost, tolerance);
}

/**
 * P(class 1) = sigmoid(w·x + b) of points, [N].
 *
 * @throws ShapeError when the points have another size than those of the fit, DataError unless they are finite
 */
export function linearProbabilities({ weights, bias }: LinearClassifier, features: Features): Float64Array {
  const who = 'linearProbabilities';
  expectConsistent(who, features);
  if (features.columns !== weights.length) {
    throw new ShapeError(who, 'features', `[N, ${weights.length}]`, `[${features.rows}, ${features.columns}]`);
  }
  expectFiniteFeatures(who, features);
  return matrixOf(features)
    .times(weights)
    .map((z) => sigmoid(z + bias));
}

/** c_i, checked. */
function costs(
  who: string,
  count: number,
  labels: ArrayLike<number>,
  weights: ArrayLike<number> | undefined,
  classWeights: 'none' | 'balanced',
): Float64Array {
  expectLength(who, 'labels', labels, count);
  if (weights !== undefined) expectLength(who, 'weights', weights, count);
  const cost = new Float64Array(count);
  const total: [number, number] = [0, 0];
  for (let i = 0; i < count; i++) {
    const label = labels[i];
    if (label !== 0 && label !== 1) throw new DataError(who, `labels[${i}] must be 0 or 1; got ${label}`);
    const weight = weights === undefined ? 1 : (weights[i] as number);
    if (!(weight >= 0 && weight < Number.POSITIVE_INFINITY)) {
      throw new DataError(who, `weights[${i}] must be finite and at least 0; got ${weight}`);
    }
    cost[i] = weight;
    total[label] += weight;
  }
  for (const label of [0, 1] as const) {
    if (total[label] > 0) continue;
    const weighed = weights === undefined ? '' : ' with a weight above 0';
    throw new DataError(
      who,
      `examples of both classes are needed; none of the ${count} is of class ${label}${weighed}`,
    );
  }
  if (classWeights === 'none') return cost;
  const half = (total[0] + total[1]) / 2;
  return cost.map((c, i) => (c * half) / total[labels[i] as 0 | 1]);
}

/** Newton's method; the last entry of x is the bias. */
function minimum(
  features: Features,
  labels: ArrayLike<number>,
  cost: Float64Array,
  tolerance: number,
): LinearClassifier {
  const points = matrixOf(features);
  const { rows, columns: size } = points;

  /** Log-odds of all points. */
  const forward = (x: Float64Array): Float64Array<ArrayBuffer> => {
    const z = points.times(x);
    const bias = x[size] as number;
    for (let i = 0; i < rows; i++) z[i] = (z[i] as number) + bias;
    return z;
  };
  /** diag(1, 0) x + Xᵀ u, with a 1 at the end of every row of X. */
  const backward = (x: Float64Array, u: Float64Array): Float64Array<ArrayBuffer> => {
    const sum = Float64Array.from(x);
    let total = 0;
    for (let i = 0; i < rows; i++) total += u[i] as number;
    sum[size] = total;
    points.addTransposed(u, sum);
    return sum;
  };
  const objective = (x: Float64Array, z: Float64Array): number => {
    let sum = 0;
    for (let j = 0; j < size; j++) sum += (x[j] as number) ** 2 / 2;
    for (let i = 0; i < rows; i++)
      sum += (cost[i] as number) * softplus(labels[i] === 1 ? -(z[i] as number) : (z[i] as number));
    return sum;
  };

  let x = new Float64Array(size + 1);
  let z = forward(x);
  let goal: number | undefined;
  for (let step = 0; step < 100; step++) {
    const p = z.map(sigmoid);
    const gradient = backward(
      x,
      cost.map((c, i) => c * ((p[i] as number) - (labels[i] as number))),
    );
    const slope = norm(gradient);
    if (!Number.isFinite(slope)) break;
    goal ??= tolerance * Math.max(1, slope);
    if (slope <= goal) return { weights: x.slice(0, size), bias: x[size] as number };

    const curvature = cost.map((c, i) => c * (p[i] as number) * (1 - (p[i] as number)));
    const times = (v: Float64Array): Float64Array => {
      const image = forward(v);
      for (let i = 0; i < rows; i++) image[i] = (image[i] as number) * (curvature[i] as number);
      return backward(v, image);
    };
    const direction = conjugateGradients(
      times,
      gradient.map((g) => -g),
      Math.min(0.1, Math.sqrt(slope)) * slope,
    );
    const descent = dot(gradient, direction);
    const before = objective(x, z);
    const alongZ = forward(direction);
    let length = 1;
    let [nextX, nextZ] = [along(x, direction, length), along(z, alongZ, length)];
    // At the minimum the objective has no digits left to fall by: there the full step is taken.
    while (length > 1e-10 && objective(nextX, nextZ) > before + 1e-4 * length * descent + 1e-14 * Math.abs(before)) {
      length /= 2;
      [nextX, nextZ] = [along(x, direction, length), along(z, alongZ, length)];
    }
    [x, z] = [nextX, nextZ];
  }
  throw new DivergenceError(
    'logisticRegression',
    'no minimum was found within 100 Newton steps; scale the points down',
  );
}

/** Solves H x = b for a positive definite H up to a residual of this norm. */
function conjugateGradients(times: (v: Float64Array) => Float64Array, b: Float64Array, enough: number): Float64Array {
  const x = new Float64Array(b.length);
  const residual = b.slice();
  let direction = b.slice();
  let squared = dot(residual, residual);
  for (let i = 0; i < 10 * b.length && Math.sqrt(squared) > enough; i++) {
    const image = times(direction);
    const bend = dot(direction, image);
    if (!(bend > 0)) break;
    const length = squared / bend;
    for (let j = 0; j < x.length; j++) {
      x[j] = (x[j] as number) + length * (direction[j] as number);
      residual[j] = (residual[j] as number) - length * (image[j] as number);
    }
    const next = dot(residual, residual);
    direction = along(residual, direction, next / squared);
    squared = next;
  }
  return x;
}

/** x + length · direction. */
function along(x: Float64Array, direction: Float64Array, length: number): Float64Array<ArrayBuffer> {
  const moved = Float64Array.from(x);
  for (let i = 0; i < moved.length; i++) moved[i] = (moved[i] as number) + length * (direction[i] as number);
  return moved;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}

const norm = (a: Float64Array): number => Math.sqrt(dot(a, a));
