import { add, divide, multiply, power, type Rational, rational, rationalOf, toNumber } from './rational.js';

/** An expression as the parsing library gives it: MathJSON. */
export type MathJson = number | string | { readonly num: string } | readonly MathJson[];

/** A value in float64, and exactly where it is rational. */
export interface Value {
  readonly approximate: number;
  readonly exact?: Rational;
}

/** What stands for a free variable at the point where an expression is evaluated. */
export type Variables = (name: string) => number;

const MAX_FACTORIAL = 170;
/** Lanczos 1964, the coefficients for g = 7. */
const LANCZOS = [
  0.9999999999998099, 676.5203681218851, -1259.1392167224028, 771.3234287776531, -176.6150291621406, 12.507343278686905,
  -0.13857109526572012, 9.984369578019572e-6, 1.5056327351493116e-7,
];

const constants: Readonly<Record<string, number>> = { Pi: Math.PI, e: Math.E, ExponentialE: Math.E };

/** Of one argument, in radians; `log` without a base is that of base 10. */
const functions: Readonly<Record<string, (x: number) => number>> = {
  Sqrt: Math.sqrt,
  Ln: Math.log,
  Lb: Math.log2,
  Lg: Math.log10,
  Sin: Math.sin,
  Cos: Math.cos,
  Tan: Math.tan,
  Cot: (x) => 1 / Math.tan(x),
  Sec: (x) => 1 / Math.cos(x),
  Csc: (x) => 1 / Math.sin(x),
  Arcsin: Math.asin,
  Arccos: Math.acos,
  Arctan: Math.atan,
  Sinh: Math.sinh,
  Cosh: Math.cosh,
  Tanh: Math.tanh,
};

const float = (approximate: number): Value => ({ approximate });
const exactly = (exact: Rational | undefined, approximate: number): Value =>
  exact === undefined ? { approximate } : { exact, approximate: toNumber(exact) };

/**
 * The value of an expression at a point, by a whitelist of operators; `undefined` where it holds anything else. It
 * costs one visit per node: powers and factorials are float64 as soon as they are long.
 */
export function evaluate(expression: MathJson, variables: Variables): Value | undefined {
  if (typeof expression === 'number') return literal(String(expression));
  if (typeof expression === 'string') return symbol(expression, variables);
  if (!isList(expression)) return literal(expression.num);
  const [head, ...rest] = expression;
  if (typeof head !== 'string') return undefined;
  if (head === 'At' && typeof rest[0] === 'string') return float(variables(JSON.stringify(expression)));
  const values = rest.map((part) => evaluate(part, variables));
  const known = values.filter((value) => value !== undefined);
  if (known.length < values.length) return undefined;
  return head === 'InvisibleOperator' ? sideBySide(rest, known) : apply(head, known);
}

const isList = (expression: MathJson): expression is readonly MathJson[] => Array.isArray(expression);

function literal(text: string): Value {
  return exactly(rationalOf(text), Number(text));
}

function symbol(name: string, variables: Variables): Value | undefined {
  if (Object.hasOwn(constants, name)) return float(constants[name] as number);
  // A text is quoted, and no operand.
  // Infinity is compared like a variable: it equals itself alone.
  return /^[A-Za-z]+$/.test(name) && name !== 'NaN' ? float(variables(name)) : undefined;
}

function apply(head: string, values: readonly Value[]): Value | undefined {
  const [a, b] = values;
  if (a === undefined) return undefined;
  if (values.length === 1 && Object.hasOwn(functions, head)) {
    return head === 'Sqrt' ? root(a, 2) : float((functions[head] as (x: number) => number)(a.approximate));
  }
  switch (head) {
    case 'Delimiter':
      return values.length === 1 ? a : undefined;
    case 'Add':
      return values.reduce((x, y) =>
        exactly(x.exact && y.exact && add(x.exact, y.exact), x.approximate + y.approximate),
      );
    case 'Multiply':
      return values.reduce(times);
    case 'Negate':
      return times(a, literal('-1'));
    case 'Abs':
      return a.approximate < 0 ? times(a, literal('-1')) : a;
    case 'Divide':
    case 'Rational':
      return b && exactly(a.exact && b.exact && divide(a.exact, b.exact), a.approximate / b.approximate);
    case 'Power':
      return b && raised(a, b);
    case 'Root':
      return b && root(a, b.approximate);
    case 'Log':
      return float(Math.log(a.approximate) / Math.log(b?.approximate ?? 10));
    case 'Factorial':
      return factorial(a.approximate);
    case 'Floor':
      return rounded(Math.floor(a.approximate));
    case 'Ceil':
      return rounded(Math.ceil(a.approximate));
    default:
      return undefined;
  }
}

function times(a: Value, b: Value): Value {
  return exactly(a.exact && b.exact && multiply(a.exact, b.exact), a.approximate * b.approximate);
}

/** A product without a sign: 2x. But 3 1/2 is a mixed number. */
function sideBySide(parts: readonly MathJson[], values: readonly Value[]): Value | undefined {
  const [first, second, ...others] = values;
  if (first === undefined) return undefined;
  if (second === undefined || !isMixed(parts[0], parts[1])) return values.reduce(times);
  const sum = exactly(
    first.exact && second.exact && add(first.exact, second.exact),
    first.approximate + second.approximate,
  );
  return others.reduce(times, sum);
}

/** A whole number beside a fraction of whole numbers below 1. */
function isMixed(whole: MathJson | undefined, fraction: MathJson | undefined): boolean {
  if (wholeIn(whole) === undefined || fraction === undefined || typeof fraction !== 'object' || !isList(fraction)) {
    return false;
  }
  const [n, d] = [wholeIn(fraction[1]), wholeIn(fraction[2])];
  return fraction[0] === 'Divide' && n !== undefined && d !== undefined && n < d;
}

/** A whole number as it was written. */
function wholeIn(tree: MathJson | undefined): bigint | undefined {
  if (typeof tree !== 'object' || isList(tree)) return undefined;
  return /^\d{1,20}$/.test(tree.num) ? BigInt(tree.num) : undefined;
}

function raised(base: Value, exponent: Value): Value {
  const whole = exponent.exact?.d === 1n ? Number(exponent.exact.n) : undefined;
  const exact = base.exact && whole !== undefined ? power(base.exact, whole) : undefined;
  if (exact) return exactly(exact, 0);
  const odd = exponent.exact !== undefined && exponent.exact.d % 2n === 1n && exponent.exact.d > 1n;
  if (base.approximate < 0 && odd) {
    // (−8)^{1/3} is −2, as at school.
    const magnitude = (-base.approximate) ** exponent.approximate;
    return float((exponent.exact?.n ?? 0n) % 2n === 0n ? magnitude : -magnitude);
  }
  return float(base.approximate ** exponent.approximate);
}

function root(of: Value, degree: number): Value {
  const negative = of.approximate < 0;
  if (negative && !(Number.isInteger(degree) && Math.abs(degree % 2) === 1)) return float(Number.NaN);
  const size = degree === 2 ? Math.sqrt(Math.abs(of.approximate)) : Math.abs(of.approximate) ** (1 / degree);
  const approximate = negative ? -size : size;
  const near = Math.round(approximate);
  const exact = of.exact && Number.isSafeInteger(near) ? power({ n: BigInt(near), d: 1n }, degree) : undefined;
  return exact && of.exact && exact.n === of.exact.n && exact.d === of.exact.d ? rounded(near) : float(approximate);
}

function factorial(of: number): Value {
  if (of > MAX_FACTORIAL) return float(Number.NaN);
  if (!Number.isInteger(of)) return float(gamma(of + 1));
  if (of < 0) return float(Number.NaN);
  let product = 1n;
  for (let k = 2n; k <= BigInt(of); k++) product *= k;
  return exactly(rational(product), Number(product));
}

/** Γ, which continues the factorial to the points where variables are tried. Relative error about 1e-13. */
function gamma(x: number): number {
  if (x < 0.5) return Math.PI / (Math.sin(Math.PI * x) * gamma(1 - x));
  const z = x - 1;
  const sum = LANCZOS.reduce((total, c, i) => total + (i === 0 ? c : c / (z + i)), 0);
  const t = z + LANCZOS.length - 1.5;
  return Math.sqrt(2 * Math.PI) * t ** (z + 0.5) * Math.exp(-t) * sum;
}

const rounded = (x: number): Value =>
  Number.isSafeInteger(x) ? exactly(rational(BigInt(x)), x) : float(Number.isFinite(x) ? x : Number.NaN);
