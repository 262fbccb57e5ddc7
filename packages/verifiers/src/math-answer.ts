import type { Expression, ParseExpression } from './math-expression.js';
import { MAX_DEPTH } from './scalar-shape.js';
import { measured } from './units.js';

/** An answer, taken apart as far as its structure goes. */
export type MathAnswer =
  | {
      readonly kind: 'scalar';
      readonly expression: Expression;
      readonly unit: string;
      readonly percent: boolean;
      readonly latex: string;
    }
  /** Tuples and intervals keep their order and their brackets, matrices are lists of lists. */
  | { readonly kind: 'list'; readonly brackets: string; readonly items: readonly MathAnswer[] }
  /** Sets, unions and lists of solutions: in any order. */
  | { readonly kind: 'set'; readonly items: readonly MathAnswer[] }
  | { readonly kind: 'equation'; readonly left: MathAnswer; readonly right: MathAnswer; readonly assigns: boolean }
  /** a < x ≤ b, written from small to large. */
  | { readonly kind: 'inequality'; readonly sides: readonly MathAnswer[]; readonly signs: readonly string[] }
  | { readonly kind: 'words'; readonly words: string };

/** An answer of more parts is not looked at. */
const MAX_ITEMS = 64;

/** Takes an answer apart; `undefined` for what is neither mathematics that is known here nor words. */
export function parseAnswer(text: string, parse: ParseExpression, depth: number = 0): MathAnswer | undefined {
  const s = text.trim();
  if (s === '' || depth > MAX_DEPTH) return undefined;
  const inner = (part: string): MathAnswer | undefined => parseAnswer(part, parse, depth + 1);
  const all = (parts: readonly string[]): readonly MathAnswer[] | undefined => {
    if (parts.length > MAX_ITEMS) return undefined;
    const items = parts.map(inner);
    return items.some((item) => item === undefined) ? undefined : (items as MathAnswer[]);
  };

  const lettered = /^(?:\\text\s*\{\s*)?([A-Z])\s*[).]\s*\}?$/.exec(s);
  if (lettered) return { kind: 'words', words: lettered[1] as string };
  const choice = /^(?:\\text\s*\{\s*)?\(?([A-Z])(?:\)|\s*\})\s*\}?(?:[.:]?$|[.:]?\s+\S)/.exec(s);
  if (choice && /^(?:\\text|\()/.test(s) && !/^\([A-Z]\)\s*[-+*/^(=]/.test(s))
    return { kind: 'words', words: choice[1] as string };
  const word = /^\\(?:text|mathrm|operatorname)\s*\{([^{}]*)\}$/.exec(s)?.[1] ?? s;
  if (isWords(word, word !== s)) return { kind: 'words', words: word.trim().toLowerCase().replace(/\s+/g, ' ') };

  const union = splitTop(s, /\\cup(?![A-Za-z])/y);
  if (union.length > 1) return setOf(all(union));
  const list = splitTop(commas(s), /,|;/y);
  if (list.length > 1 && !isGrouped(s)) return setOf(all(list.filter((part) => part.trim() !== '')));
  const matrix = /^\\begin\{([pbv]?matrix)\}(.*)\\end\{\1\}$/s.exec(s);
  if (matrix) {
    const rows = (matrix[2] as string).split('\\\\').filter((row) => row.trim() !== '');
    const items = rows.length > MAX_ITEMS ? [] : rows.map((row) => all(row.split('&')));
    if (items.length === 0 || items.includes(undefined)) return undefined;
    return {
      kind: 'list',
      brackets: 'matrix',
      items: items.map((row) => ({ kind: 'list', brackets: 'row', items: row as readonly MathAnswer[] })),
    };
  }
  const member = splitTop(s, /\\in(?![A-Za-z])/y);
  if (member.length === 2) return inner(member[1] as string);
  const relation = relationOf(s, inner);
  if (relation !== null) return relation;
  if (/^\\(?:emptyset|varnothing)$/.test(s)) return { kind: 'set', items: [] };
  const brackets = wrapped(s);
  if (brackets !== undefined) {
    const content = s.slice(brackets.open.length, s.length - brackets.close.length);
    if (brackets.open === '\\{' || (brackets.open === '{' && splitTop(content, /,|;/y).length > 1))
      return content.trim() === '' ? { kind: 'set', items: [] } : setOf(all(splitTop(content, /,|;/y)));
    const parts = splitTop(content, /,|;/y);
    if (parts.length > 1) {
      const items = all(parts);
      return items && { kind: 'list', brackets: brackets.open + brackets.close, items };
    }
    if (brackets.open === '[' || brackets.open === '{') return inner(content);
  }
  const signs = s.split(/\\pm(?![A-Za-z])/);
  if (signs.length === 2) return setOf(all([signs.join('+').replace(/^\+/, ''), signs.join('-')]));
  return scalarOf(s, parse);
}

const setOf = (items: readonly MathAnswer[] | undefined): MathAnswer | undefined =>
  // A set of sets is flat: 1 ± 2, 5 has three members.
  items && { kind: 'set', items: items.flatMap((item) => (item.kind === 'set' ? item.items : [item])) };

function scalarOf(s: string, parse: ParseExpression): MathAnswer | undefined {
  const { latex, unit, percent } = measured(s);
  const readable = (text: string): Expression | undefined => parse(ungroup(mixed(text)));
  // What looks like the end of an ordinal may have been a product of variables.
  const ordinal = unit === '' && !percent && latex !== s && s.startsWith(latex);
  const expression = (ordinal ? readable(s) : undefined) ?? readable(latex);
  return expression && { kind: 'scalar', expression, unit, percent, latex };
}

/** `1 1/2` is a mixed number; side by side it would be 11/2. */
const mixed = (s: string): string => s.replace(/^(-?\d+)\s+(?:and\s+)?(\d+)\s*\/\s*(\d+)$/, '$1\\frac{$2}{$3}');

/** 1,234,567 without its commas. */
const ungroup = (s: string): string => (isGrouped(s) ? s.replace(/(?<=\d),(?=\d{3})/g, '') : s);

/** A single number with thousands separators, and perhaps a unit. */
const isGrouped = (s: string): boolean =>
  /^[^\d,()[\]{}]*\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?(?:[^\d,].*)?$/.test(s) &&
  splitTop(s.replace(/(?<=\d),(?=\d{3})/g, ''), /,/y).length === 1;

/** `1 \text{ and } 2` and `x = 1 or x = 2` are lists. */
function commas(s: string): string {
  return s
    .replace(/,?\s*\\text\s*\{\s*(?:and|or)\s*\}/g, ',')
    .replace(/(?<=[\d)}A-Za-z]),?\s+(?:and|or)\s+(?=[\d\\(A-Za-z-])(?!\d+\s*\/\s*\d+$)/g, ',');
}

/** Words of letters alone: in a text command any, else those too long to be products of variables. */
function isWords(s: string, isText: boolean): boolean {
  if (s.length > 200) return false;
  if (isText) return /^[\p{L}][\p{L}\s'.-]*$/u.test(s.trim()) && s.trim().length > 1;
  return (
    /^\p{L}{4,}(?:[\s'-]+\p{L}+)*$/u.test(s) ||
    /^\p{L}{2,}(?:\s+\p{L}{2,})+$/u.test(s) ||
    /^(?:yes|no|odd|even|all)$/i.test(s)
  );
}

/** `null` where there is no relation sign. */
function relationOf(s: string, inner: (part: string) => MathAnswer | undefined): MathAnswer | undefined | null {
  const sign = /=|<|>|\\(?:le|ge|ne|approx)(?![A-Za-z])/y;
  const parts = splitTop(s, sign);
  if (parts.length === 1) return null;
  const signs: string[] = [];
  let at = 0;
  for (const part of parts.slice(0, -1)) {
    at += part.length;
    sign.lastIndex = at;
    const found = sign.exec(s)?.[0] ?? '';
    signs.push(found);
    at += found.length;
  }
  if (signs.every((found) => found === '=' || found === '\\approx')) {
    // a = b = c: what it comes to is the last.
    const [left, right] = [parts.at(-2) as string, parts.at(-1) as string];
    const [a, b] = [inner(left), inner(right)];
    const assigns =
      /^\s*(?:\\text\s*\{[^{}]*\}|[A-Za-z][A-Za-z ]*|\\[A-Za-z]+)\s*(?:_\s*(?:\{[^{}]*\}|\w))?\s*'?\s*(?:\([^()]*\))?\s*$/.test(
        left,
      );
    if (parts.length > 2 || left.trim() === '' || (assigns && a === undefined)) return b;
    return a && b && { kind: 'equation', left: a, right: b, assigns };
  }
  const sides = parts.map(inner);
  if (parts.length > 3 || sides.some((side) => side === undefined)) return undefined;
  const known = sides as MathAnswer[];
  if (signs.every((found) => found === '>' || found === '\\ge')) {
    const flipped = signs.map((found) => (found === '>' ? '<' : '\\le')).reverse();
    return { kind: 'inequality', sides: known.reverse(), signs: flipped };
  }
  const ascending = signs.every((found) => found === '<' || found === '\\le');
  return ascending || signs.join() === '\\ne' ? { kind: 'inequality', sides: known, signs } : undefined;
}

const OPEN = /\\\{|\\l(?:floor|ceil)|[([{]/y;
const CLOSE = /\\\}|\\r(?:floor|ceil)|[)\]}]/y;

/** The parts between the separators that stand outside of all brackets; which bracket closes which does not matter. */
export function splitTop(s: string, separator: RegExp): readonly string[] {
  const parts: string[] = [];
  let depth = 0;
  let from = 0;
  for (let at = 0; at < s.length; ) {
    const [open, close, found] = [OPEN, CLOSE, separator].map((pattern) => {
      pattern.lastIndex = at;
      return pattern.exec(s)?.[0];
    });
    if (open !== undefined) depth += 1;
    else if (close !== undefined) depth -= 1;
    else if (found !== undefined && depth === 0) {
      parts.push(s.slice(from, at));
      from = at + found.length;
    }
    at += (open ?? close ?? found ?? ' ').length;
  }
  return [...parts, s.slice(from)];
}

/** The brackets around the whole. */
function wrapped(s: string): { readonly open: string; readonly close: string } | undefined {
  OPEN.lastIndex = 0;
  const open = OPEN.exec(s)?.[0];
  if (open === undefined) return undefined;
  let depth = 0;
  for (let at = 0; at < s.length; ) {
    OPEN.lastIndex = at;
    CLOSE.lastIndex = at;
    const opens = OPEN.exec(s)?.[0];
    const closes = opens === undefined ? CLOSE.exec(s)?.[0] : undefined;
    depth += opens === undefined ? (closes === undefined ? 0 : -1) : 1;
    at += (opens ?? closes ?? ' ').length;
    if (depth === 0) return at === s.length && closes !== undefined ? { open, close: closes } : undefined;
  }
  return undefined;
}
