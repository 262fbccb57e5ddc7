import { ComputeEngine } from '@cortex-js/compute-engine';
import { evaluate, type MathJson, type Value } from './evaluate.js';
import { isDecimal } from './rational.js';
import { pieceOf, scalarShape } from './scalar-shape.js';

/** One formula, ready to be evaluated. */
export interface Expression {
  readonly tree: MathJson;
  /** Its value where it has no variables. */
  readonly value: Value | undefined;
  /** It was written with a decimal point, and may be rounded. */
  readonly decimal: boolean;
}

/** Reads one formula of bounded size; `undefined` for what is none. */
export type ParseExpression = (latex: string) => Expression | undefined;

/** How two expressions were found equal or not. */
export interface Verdict {
  readonly equal: boolean;
  readonly method: 'exact' | 'numeric' | 'sampled';
}

/** So many formulas are remembered: a group of completions shares its gold answer, and most of its answers. */
const REMEMBERED = 512;

/**
 * A parser of formulas. The library only parses: its evaluation of 2^{1000000000} takes all memory. It needs 20 ms to
 * be made, once, when the first formula comes, and a millisecond for each formula that it has not just seen.
 */
export function expressionParser(): ParseExpression {
  let engine: ComputeEngine | undefined;
  const seen = new Map<string, Expression | undefined>();
  const read = (latex: string): Expression | undefined => {
    const pieces = scalarShape(latex);
    if (pieces === undefined) return undefined;
    engine ??= new ComputeEngine();
    return expressionOf(latex, pieces, engine);
  };
  return (latex) => {
    if (seen.has(latex)) return seen.get(latex);
    const expression = read(latex);
    if (seen.size >= REMEMBERED) seen.delete(seen.keys().next().value as string);
    seen.set(latex, expression);
    return expression;
  };
}

function expressionOf(latex: string, pieces: readonly string[], engine: ComputeEngine): Expression | undefined {
  const trees: MathJson[] = [];
  for (const piece of pieces) {
    const isNumber = /^-?[\d.]/.test(piece);
    trees.push(isNumber ? { num: piece } : filled(engine.parse(piece, { canonical: false }).json as MathJson, trees));
  }
  const tree = trees.at(-1) as MathJson;
  const names = new Set<string>();
  const point = evaluate(tree, (name) => {
    names.add(name);
    return 1;
  });
  if (point === undefined) return undefined;
  return { tree, value: names.size === 0 ? point : undefined, decimal: /\d\.\d|(?:^|\D)\.\d/.test(latex) };
}

/** The tree with the trees of its pieces in place of their names. Pieces are in no other piece twice. */
function filled(tree: MathJson, pieces: readonly MathJson[]): MathJson {
  if (typeof tree === 'string') return pieces[pieceOf(tree)] ?? tree;
  return Array.isArray(tree) ? tree.map((part: MathJson) => filled(part, pieces)) : tree;
}

/** Points at which formulas with variables are compared. */
const POINTS = 6;
/** At so many of them both must have a value. */
const ENOUGH = 2;

/**
 * Whether two formulas are equal: numbers exactly where both are rational; a decimal that may be a rounded form of
 * something with no finite decimal within the relative tolerance; other numbers to 1e-9; formulas in variables at
 * fixed points, half of them negative, to 1e-6.
 */
export function compareExpressions(a: Expression, b: Expression, relative: number): Verdict {
  if (a.value && b.value) return compareNumbers(a, b, a.value, b.value, relative);
  return { equal: agreement(a, b), method: 'sampled' };
}

function compareNumbers(a: Expression, b: Expression, x: Value, y: Value, relative: number): Verdict {
  const finite = (value: Value): boolean => value.exact !== undefined && isDecimal(value.exact);
  const rounded = (a.decimal && !finite(y)) || (b.decimal && !finite(x));
  if (x.exact && y.exact && !rounded) {
    return { equal: x.exact.n === y.exact.n && x.exact.d === y.exact.d, method: 'exact' };
  }
  return { equal: close(x.approximate, y.approximate, rounded ? relative : 1e-9), method: 'numeric' };
}

function agreement(a: Expression, b: Expression): boolean {
  let both = 0;
  for (let point = 0; point < POINTS; point++) {
    const at = (name: string): number => coordinate(name, point);
    const x = evaluate(a.tree, at)?.approximate ?? Number.NaN;
    const y = evaluate(b.tree, at)?.approximate ?? Number.NaN;
    if (Number.isFinite(x) !== Number.isFinite(y)) return false;
    if (!Number.isFinite(x)) continue;
    if (!close(x, y, 1e-6)) return false;
    both += 1;
  }
  return both >= ENOUGH;
}

/** Whether an expression has the same finite value, not 0, at all points where it has one. */
export function isConstant({ tree }: Expression): boolean {
  const values = Array.from({ length: POINTS }, (_, point) => evaluate(tree, (name) => coordinate(name, point)))
    .map((value) => value?.approximate ?? Number.NaN)
    .filter(Number.isFinite);
  return values.length >= ENOUGH && values.every((value) => value !== 0 && close(value, values[0] as number, 1e-6));
}

/** Beside the relative tolerance 1e-12: sin π is 1e-16. */
const close = (x: number, y: number, relative: number): boolean =>
  Number.isFinite(x) &&
  Number.isFinite(y) &&
  Math.abs(x - y) <= Math.max(1e-12, relative * Math.max(Math.abs(x), Math.abs(y)));

/** A number of its own for each variable and point: 0.3 to 2.3 in size, positive at even points. */
function coordinate(name: string, point: number): number {
  let hash = 0x811c9dc5 ^ point;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x735a2d97);
  hash = Math.imul(hash ^ (hash >>> 13), 0x21f0aaad);
  const size = 0.3 + (2 * ((hash ^ (hash >>> 16)) >>> 0)) / 2 ** 32;
  return point % 2 === 0 ? size : -size;
}
