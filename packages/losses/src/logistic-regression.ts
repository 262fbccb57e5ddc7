import { DivergenceError, type Grid, sigmoid, softplus } from '@tsrl/core';

/** Log-odds w·e + b of a point e. */
export interface LinearClassifier {
  readonly weights: Float64Array;
  readonly bias: number;
}

/** Points [N, D] with label 0 or 1 and weight of each. */
export interface WeightedPoints {
  readonly points: Grid;
  readonly labels: ArrayLike<number>;
  readonly weights: ArrayLike<number>;
}

/**
 * Logistic regression with an L2 penalty on all but the bias: the minimum of
 *
 *   F(w, b) = ½ |w|² + C Σ_i c_i softplus(−s_i (w·e_i + b)),  s_i = 2 y_i − 1
 *
 * by Newton's method, each step by conjugate gradients on (diag(1, 0) + C Eᵀ D E) δ = −∇F, which never forms the
 * matrix: a product costs as much as a gradient, for thousands of dimensions too. F is strictly convex when both classes
 * are there; backtracking makes every step lower it.
 *
 * @throws DivergenceError when 100 Newton steps do not bring |∇F| below `tolerance` times its value at 0 (at least 1)
 */
export function logisticRegression(
  { points, labels, weights }: WeightedPoints,
  {
    inverseRegularization: C,
    tolerance = 1e-10,
  }: { readonly inverseRegularization: number; readonly tolerance?: number },
): LinearClassifier {
  const { rows, columns: size } = points;
  const cost = Float64Array.from({ length: rows }, (_, i) => C * (weights[i] as number));

  /** Log-odds of all points. */
  const forward = (x: Float64Array): Float64Array => {
    const z = new Float64Array(rows);
    for (let i = 0; i < rows; i++) {
      let sum = x[size] as number;
      for (let j = 0; j < size; j++) sum += (points.data[i * size + j] as number) * (x[j] as number);
      z[i] = sum;
    }
    return z;
  };
  /** diag(1, 0) x + Eᵀ u, with a 1 at the end of every row of E. */
  const backward = (x: Float64Array, u: Float64Array): Float64Array => {
    const sum = x.slice();
    sum[size] = 0;
    for (let i = 0; i < rows; i++) {
      const factor = u[i] as number;
      for (let j = 0; j < size; j++) sum[j] = (sum[j] as number) + factor * (points.data[i * size + j] as number);
      sum[size] = (sum[size] as number) + factor;
    }
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
    const times = (v: Float64Array): Float64Array =>
      backward(
        v,
        forward(v).map((y, i) => y * (curvature[i] as number)),
      );
    const direction = conjugateGradients(
      times,
      gradient.map((g) => -g),
      Math.min(0.1, Math.sqrt(slope)) * slope,
    );
    const descent = dot(gradient, direction);
    const before = objective(x, z);
    const alongZ = forward(direction);
    let length = 1;
    const moved = (): [Float64Array<ArrayBuffer>, Float64Array<ArrayBuffer>] => [
      along(x, direction, length),
      along(z, alongZ, length),
    ];
    let [nextX, nextZ] = moved();
    // At the minimum the objective has no digits left to fall by: there the full step is taken.
    while (length > 1e-10 && objective(nextX, nextZ) > before + 1e-4 * length * descent + 1e-14 * Math.abs(before)) {
      length /= 2;
      [nextX, nextZ] = moved();
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

const along = (x: Float64Array, direction: Float64Array, length: number): Float64Array<ArrayBuffer> =>
  Float64Array.from(x, (at, i) => at + length * (direction[i] as number));

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}

const norm = (a: Float64Array): number => Math.sqrt(dot(a, a));
