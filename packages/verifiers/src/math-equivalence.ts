import { OptionError } from '@tsrl/core';
import { latexText } from './latex-text.js';
import { type MathAnswer, parseAnswer } from './math-answer.js';
import { compareExpressions, expressionParser, isConstant, type ParseExpression } from './math-expression.js';
import { withLetterUnit } from './units.js';

/** Options of {@link mathEquivalence}. */
export interface MathEquivalenceOptions {
  /** How far a decimal may be from what it rounds, relatively, in [0, 0.1]. Default 1e-4. */
  readonly relative?: number;
  /** A fraction that is not in lowest terms is wrong. Default false. */
  readonly requireReduced?: boolean;
  /** Longer answers are not read, a positive integer of at most 4000. Default 1000. */
  readonly maxLength?: number;
}

/**
 * Whether an answer is the gold answer, and how that was found: `text` letter by letter, `exact` in rational numbers,
 * `numeric` in float64, `sampled` at points for its variables: weaker than a proof. Parts of a structure count as the
 * weakest of them.
 */
export interface Equivalence {
  readonly equal: boolean;
  readonly method: 'text' | 'exact' | 'numeric' | 'sampled';
}

/** Compares an answer with a gold answer; `null` where the gold answer cannot be read, and is not met letter by letter. */
export type MathEquivalence = (answer: string, gold: string) => Equivalence | null;

/**
 * Mathematical equivalence of two answers in LaTeX or plain text.
 *
 * Numbers, fractions, mixed numbers, percentages, roots, powers, formulas in variables; units, degrees, money; tuples,
 * intervals, matrices; sets, unions and lists of solutions in any order; equations, whose left side may be missing;
 * inequalities and their intervals; choice letters and words. Integers and fractions are compared exactly, a decimal
 * with what it rounds within `relative`, and a percentage with its number and with its hundredth. A unit may be
 * missing on one side; two units must agree.
 *
 * There is no symbolic algebra: formulas are equal when they agree at six fixed points. i is a variable, `\log` has
 * base 10, angles are in radians unless degrees are written, (−8)^{1/3} is −2.
 *
 * Everything is bounded: characters, depth, parts, digits, powers. Hostile input is unreadable, and ends: an answer takes
 * 0.3 s at worst (measured), 2 ms as a rule.
 *
 * Differences: TRL and verl ask SymPy through `math_verify`, which proves more, and needs a time limit for it.
 *
 * @throws OptionError for an option out of range
 * @see Hendrycks et al. 2021, arXiv:2103.03874, for the conventions of answers
 */
export function mathEquivalence({
  relative = 1e-4,
  requireReduced = false,
  maxLength = 1000,
}: MathEquivalenceOptions = {}): MathEquivalence {
  if (!(relative >= 0 && relative <= 0.1))
    throw new OptionError('mathEquivalence', 'relative', 'in [0, 0.1]', relative);
  if (!(Number.isInteger(maxLength) && maxLength > 0 && maxLength <= 4000)) {
    throw new OptionError('mathEquivalence', 'maxLength', 'a positive integer of at most 4000', maxLength);
  }
  const parse = expressionParser();
  return (answer, gold) => {
    if (gold.trim() === '') return null;
    if (answer.trim() === gold.trim()) return { equal: true, method: 'text' };
    if (gold.length > maxLength) return null;
    const goldText = latexText(gold);
    const expected = parseAnswer(goldText, parse);
    const answerText = answer.length > maxLength ? undefined : latexText(answer);
    if (answerText === goldText && goldText !== '') return { equal: true, method: 'text' };
    if (expected === undefined) return null;
    const given = answerText === undefined ? undefined : parseAnswer(answerText, parse);
    if (given === undefined) return { equal: false, method: 'text' };
    if (requireReduced && !isReduced(given)) return { equal: false, method: 'exact' };
    const method = compare(given, expected, { relative, parse });
    if (method !== undefined) return { equal: true, method };
    return { equal: false, method: methodOf(given, expected, { relative, parse }) };
  };
}

type Method = Equivalence['method'];
interface Comparison {
  readonly relative: number;
  readonly parse: ParseExpression;
}

const methods = ['text', 'exact', 'numeric', 'sampled'] as const;
const weakest = (found: readonly Method[]): Method => methods.findLast((method) => found.includes(method)) ?? 'text';

/** By which means two answers were found different. */
function methodOf(a: MathAnswer, b: MathAnswer, { relative }: Comparison): Method {
  if (a.kind === 'words' || b.kind === 'words') return 'text';
  return a.kind === 'scalar' && b.kind === 'scalar'
    ? compareExpressions(a.expression, b.expression, relative).method
    : 'exact';
}

/** How two answers are equal, or `undefined` where they are not. */
function compare(a: MathAnswer, b: MathAnswer, context: Comparison): Method | undefined {
  if (a.kind === 'scalar' && b.kind === 'scalar') return compareScalars(a, b, context);
  if (a.kind === 'words' && b.kind === 'words') return a.words === b.words ? 'text' : undefined;
  if (a.kind === 'words' || b.kind === 'words') return compareLetter(a, b);
  if (a.kind === 'equation' && b.kind === 'equation') return compareEquations(a, b, context);
  if (a.kind === 'equation') return a.assigns ? compare(a.right, b, context) : undefined;
  if (b.kind === 'equation') return b.assigns ? compare(a, b.right, context) : undefined;
  const [named, other] = solutionOf(a) === undefined ? [solutionOf(b), a] : [solutionOf(a), b];
  if (named && solutionOf(other) === undefined) return compareAll(named, orderedItems(other), context);
  if (a.kind === 'set' || b.kind === 'set') return compareSets(itemsOf(a), itemsOf(b), context);
  if (a.kind === 'inequality' && b.kind === 'inequality') {
    return a.signs.join() === b.signs.join() ? compareAll(a.sides, b.sides, context) : undefined;
  }
  const [x, y] = [asInterval(a, context.parse), asInterval(b, context.parse)];
  if (x.kind !== 'list' || y.kind !== 'list' || x.brackets !== y.brackets) return undefined;
  return compareAll(x.items, y.items, context);
}

type Scalar = Extract<MathAnswer, { kind: 'scalar' }>;

function compareScalars(a: Scalar, b: Scalar, { relative, parse }: Comparison): Method | undefined {
  if (a.unit !== '' && b.unit !== '' && a.unit !== b.unit) return undefined;
  if ((a.percent && b.unit !== '') || (b.percent && a.unit !== '')) return undefined;
  const verdict = compareExpressions(a.expression, b.expression, relative);
  if (verdict.equal) return verdict.method;
  if (a.unit !== b.unit) {
    const [known, bare] = a.unit === '' ? [b, a] : [a, b];
    const letter = withLetterUnit(bare.latex);
    const amount = letter?.unit === known.unit ? parse(letter.latex) : undefined;
    const same = amount && compareExpressions(amount, known.expression, relative);
    return same?.equal ? same.method : undefined;
  }
  if (a.percent === b.percent) return undefined;
  const [percent, plain] = a.percent ? [a, b] : [b, a];
  const share = parse(`\\frac{${percent.latex}}{100}`);
  const shared =
    share && compareExpressions({ ...share, decimal: percent.expression.decimal }, plain.expression, relative);
  return shared?.equal ? shared.method : undefined;
}

/** `(B)` and the plain letter B. */
function compareLetter(a: MathAnswer, b: MathAnswer): Method | undefined {
  const [words, other] = a.kind === 'words' ? [a, b] : [b, a];
  if (words.kind !== 'words' || other.kind !== 'scalar') return undefined;
  return words.words === other.latex.trim() ? 'text' : undefined;
}

type Equation = Extract<MathAnswer, { kind: 'equation' }>;

/** Side by side, or turned round, or as left − right up to a factor. */
function compareEquations(a: Equation, b: Equation, context: Comparison): Method | undefined {
  const sides =
    compareAll([a.left, a.right], [b.left, b.right], context) ??
    compareAll([a.left, a.right], [b.right, b.left], context);
  if (sides !== undefined) return sides;
  const [x, y] = [difference(a), difference(b)];
  if (x === undefined || y === undefined) return undefined;
  const ratio = context.parse(`\\frac{${x}}{${y}}`);
  return ratio !== undefined && isConstant(ratio) ? 'sampled' : undefined;
}

const difference = ({ left, right }: Equation): string | undefined =>
  left.kind === 'scalar' && right.kind === 'scalar' ? `(${left.latex})-(${right.latex})` : undefined;

function compareAll(a: readonly MathAnswer[], b: readonly MathAnswer[], context: Comparison): Method | undefined {
  if (a.length !== b.length) return undefined;
  const found = a.map((item, i) => compare(item, b[i] as MathAnswer, context));
  return found.includes(undefined) ? undefined : weakest(found as Method[]);
}

/** The values of `x = 3, y = 4` in their order; roots `x_1 = 3, x_2 = 4` of one variable have none. */
function solutionOf(answer: MathAnswer): readonly MathAnswer[] | undefined {
  if (answer.kind !== 'set' || answer.items.length < 2) return undefined;
  const equations = answer.items.filter((item) => item.kind === 'equation').filter(({ assigns }) => assigns);
  const names = new Set(equations.map(({ left }) => (left.kind === 'scalar' ? left.latex.replace(/_.*$/, '') : '')));
  return names.size === answer.items.length ? equations.map(({ right }) => right) : undefined;
}

/** As they were written: a list without brackets is taken for a set, and keeps its order. */
const orderedItems = (answer: MathAnswer): readonly MathAnswer[] =>
  answer.kind === 'list' && answer.brackets === '()' ? answer.items : itemsOf(answer);

const itemsOf = (answer: MathAnswer): readonly MathAnswer[] => (answer.kind === 'set' ? answer.items : [answer]);

/** As multisets. */
function compareSets(a: readonly MathAnswer[], b: readonly MathAnswer[], context: Comparison): Method | undefined {
  if (a.length !== b.length) return undefined;
  const left = [...b];
  const found: Method[] = [];
  for (const item of a) {
    const at = left.findIndex((other) => {
      const method = compare(item, other, context);
      if (method !== undefined) found.push(method);
      return method !== undefined;
    });
    if (at < 0) return undefined;
    left.splice(at, 1);
  }
  return weakest(found);
}

/** x > 3 as (3, ∞): a variable between bounds is its interval. */
function asInterval(answer: MathAnswer, parse: ParseExpression): MathAnswer {
  if (answer.kind !== 'inequality') return answer;
  const infinity = parseAnswer('\\infty', parse);
  const minusInfinity = parseAnswer('-\\infty', parse);
  let { sides, signs } = answer;
  if (infinity && minusInfinity && sides.length === 2 && isVariable(sides[1])) {
    [sides, signs] = [
      [...sides, infinity],
      [...signs, '<'],
    ];
  } else if (infinity && minusInfinity && sides.length === 2 && isVariable(sides[0])) {
    [sides, signs] = [
      [minusInfinity, ...sides],
      ['<', ...signs],
    ];
  }
  const [low, variable, high] = sides;
  if (low === undefined || high === undefined || !isVariable(variable)) return answer;
  return {
    kind: 'list',
    brackets: (signs[0] === '<' ? '(' : '[') + (signs[1] === '<' ? ')' : ']'),
    items: [low, high],
  };
}

const isVariable = (side: MathAnswer | undefined): boolean =>
  side?.kind === 'scalar' &&
  /^(?:[A-Za-z]|\\(?!infty)[A-Za-z]+)$/.test(side.latex) &&
  side.expression.value === undefined;

/** No fraction of whole numbers in it has a common divisor. */
function isReduced(answer: MathAnswer): boolean {
  if (answer.kind !== 'scalar') return 'items' in answer ? answer.items.every(isReduced) : true;
  const fraction = /^-?\s*(?:\\frac\s*\{\s*(-?\d+)\s*\}\s*\{\s*(\d+)\s*\}|(-?\d+)\s*\/\s*(\d+))$/.exec(answer.latex);
  if (fraction === null) return true;
  let [a, b] = [BigInt(fraction[1] ?? fraction[3] ?? 0), BigInt(fraction[2] ?? fraction[4] ?? 1)];
  if (a < 0n) a = -a;
  while (b !== 0n) [a, b] = [b, a % b];
  return a === 1n;
}
