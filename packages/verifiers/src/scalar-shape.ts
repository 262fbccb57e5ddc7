/** A formula is looked at up to this many characters (the library is quadratic: 200 take it 0.1 s), and this deep. */
const MAX_LENGTH = 200;
export const MAX_DEPTH = 12;

const FUNCTIONS = new Set(
  'sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh ln log lg'.split(' ').map((name) => `\\${name}`),
);
const GREEK = new Set(
  (
    'alpha beta gamma delta epsilon varepsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau phi varphi chi psi ' +
    'omega Gamma Delta Theta Lambda Sigma Phi Psi Omega pi infty ell'
  )
    .split(' ')
    .map((name) => `\\${name}`),
);
const OPERATORS: Readonly<Record<string, string>> = {
  '+': '+',
  '-': '-',
  '*': '\\cdot ',
  '/': '/',
  '\\cdot': '\\cdot ',
  '\\times': '\\cdot ',
  '\\div': '/',
};
const CLOSERS: Readonly<Record<string, string>> = {
  '(': ')',
  '{': '}',
  '[': ']',
  '\\lfloor': '\\rfloor',
  '\\lceil': '\\rceil',
};

/** By the closing bracket. A group in braces is braces again, as an argument and as an operand. */
const bracketed: Readonly<Record<string, (inner: string) => string>> = {
  ')': (inner) => `(${inner})`,
  '}': (inner) => `{${inner}}`,
  ']': (inner) => `[${inner}]`,
  '|': (inner) => `\\left|${inner}\\right|`,
  '\\rfloor': (inner) => `\\lfloor ${inner}\\rfloor `,
  '\\rceil': (inner) => `\\lceil ${inner}\\rceil `,
};

const TOKEN = /\s*(?:(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\.\d+)|(\\[A-Za-z]+)|(\S))/y;

interface Frame {
  readonly close: string;
  /** Arguments that must follow when it closes, and what may follow after them. */
  readonly pending: number;
  readonly following: State;
  /** What was written before it opened. */
  readonly before: string;
  /** Whose argument it is: `\\frac`, `\\sqrt`, `^`, `_`; '' for brackets. */
  readonly of: string;
}
/** Before an operand; after one; behind the name of a function. */
type State = 'operand' | 'after' | 'function';

/** Stands for the piece of this number inside of another. */
const placeholder = (piece: number): string => String.fromCharCode(PLACEHOLDERS + piece);
/** The number of the piece that a symbol stands for. */
export const pieceOf = (symbol: string): number => symbol.charCodeAt(0) - PLACEHOLDERS;
/** Korean syllables: letters to the library, and in no formula. */
const PLACEHOLDERS = 0xac00;

/**
 * A formula of numbers, variables, + − · / ^ !, roots, fractions, absolute values and elementary functions, cut into
 * flat pieces: each number and what stands in brackets is a piece of its own, and a placeholder where it was; the last
 * piece is the whole. `undefined` for anything that is not well formed, too long or too deep. One pass over the tokens.
 *
 * The library that parses the pieces takes exponential time over nested text that it does not understand (measured: an
 * operator without operand in 12 brackets, 1 s; in 200, no end), and writes 1e999999999 out. Flat pieces do not nest,
 * and numbers are not its to read.
 */
export function scalarShape(text: string): readonly string[] | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  const frames: Frame[] = [];
  const pieces: string[] = [];
  let state: State = 'operand';
  let [pending, following, of]: [number, State, string] = [0, 'after', ''];
  let out = '';
  let last = '';
  TOKEN.lastIndex = 0;
  let at = 0;
  while (at < text.trimEnd().length) {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(text);
    if (match === null) return undefined;
    const [whole, number, command, other] = match;
    let token = (number ?? command ?? other) as string;
    at += whole.length;
    if (pending > 0) {
      if (token === '{' || (token === '[' && of === '\\sqrt') || (token === '(' && of === '\\exp')) {
        const left = token === '[' ? 1 : pending - 1;
        frames.push({ close: CLOSERS[token] as string, pending: left, following, of, before: out });
        out = '';
        if (frames.length > MAX_DEPTH) return undefined;
        [state, pending] = ['operand', 0];
      } else {
        const sign = token === '-' && of === '^' ? /^\s*(\d+)/.exec(text.slice(at)) : null;
        if (sign) {
          at += sign[0].length;
          token = `-${sign[1]}`;
        } else if (number !== undefined && of !== '^' && token.length > 1) {
          // \frac12 is \frac{1}{2}, but x^10 is meant as x^{10}.
          at -= token.length - 1;
          token = token[0] as string;
          if (token === '.') return undefined;
        } else if (number === undefined && !isSymbol(token)) return undefined;
        pending -= 1;
        const operand = /\d/.test(token) ? placeholder(pieces.push(token) - 1) : token;
        out += `{${operand}}${of === '\\exp' ? ')' : ''}`;
        if (pending === 0) [state, last] = [following, `${of}}`];
        continue;
      }
      last = token;
      continue;
    }
    if (number !== undefined || isSymbol(token)) {
      if (number !== undefined && state === 'after' && /[\d.]$/.test(last)) return undefined;
      const subscript =
        number === undefined ? /^_(?:\{([A-Za-z0-9]{1,4})\}|([A-Za-z0-9]))/.exec(text.slice(at, at + 8)) : null;
      at += subscript?.[0].length ?? 0;
      out += (last.startsWith('\\') ? ' ' : '') + (number === undefined ? token : placeholder(pieces.push(token) - 1));
      if (subscript) out += `_{${subscript[1] ?? subscript[2]}}`;
      state = 'after';
    } else if (FUNCTIONS.has(token)) {
      out += ` ${token}`;
      state = 'function';
    } else if (token === '\\frac' || token === '\\sqrt') {
      out += token;
      [pending, following, of] = [token === '\\frac' ? 2 : 1, 'after', token];
    } else if (token === '\\exp') {
      out += '(e^';
      [pending, following, of] = [1, 'after', token];
    } else if (token === '^' || (token === '_' && last === '\\log')) {
      const power = state === 'after' && last !== '^}';
      if (!(power || state === 'function')) return undefined;
      out += token;
      [pending, following, of] = [1, state, token];
    } else if (token in OPERATORS) {
      const sign = (token === '+' || token === '-') && state !== 'after';
      if (state !== 'after' && (!sign || last in OPERATORS)) return undefined;
      out += OPERATORS[token];
      state = 'operand';
    } else if (token === '!') {
      if (state !== 'after' || last === '!') return undefined;
      out += '!';
    } else if (token === '|' && !(state === 'after' && frames.at(-1)?.close === '|')) {
      frames.push({ close: '|', pending: 0, following: 'after', of: '', before: out });
      out = '';
      state = 'operand';
    } else if (token in CLOSERS && token !== '[') {
      frames.push({ close: CLOSERS[token] as string, pending: 0, following: 'after', of: '', before: out });
      out = '';
      state = 'operand';
    } else {
      const frame = frames.pop();
      if (frame === undefined || frame.close !== token || state !== 'after') return undefined;
      out = frame.before + (bracketed[token] as (inner: string) => string)(placeholder(pieces.push(out) - 1));
      if (frame.of === '\\exp') out = `${frame.before}{${placeholder(pieces.length - 1)}})`;
      ({ pending, following, of } = frame);
      state = pending > 0 ? 'operand' : following;
      token = pending > 0 ? token : `${of}${token}`;
    }
    if (frames.length > MAX_DEPTH) return undefined;
    last = token;
  }
  return frames.length === 0 && state === 'after' && pending === 0 ? [...pieces, out] : undefined;
}

const isSymbol = (token: string): boolean => /^[A-Za-z]$/.test(token) || GREEK.has(token);
