import { type Rational, rational } from './rational.js';

/** Superscript digits, before compatibility normalisation makes them plain ones. */
const SUPERSCRIPTS = '⁰¹²³⁴⁵⁶⁷⁸⁹';

const UNICODE: Readonly<Record<string, string>> = {
  '−': '-',
  '–': '-',
  '×': '\\times ',
  '·': '\\cdot ',
  '÷': '\\div ',
  '⁄': '/',
  π: '\\pi ',
  θ: '\\theta ',
  α: '\\alpha ',
  β: '\\beta ',
  '∞': '\\infty ',
  '±': '\\pm ',
  '≤': '\\le ',
  '≥': '\\ge ',
  '≠': '\\ne ',
  '≈': '\\approx ',
  '∪': '\\cup ',
  '∈': '\\in ',
  '∅': '\\emptyset ',
  '√': '\\sqrt ',
  '°': '^\\circ ',
};

/** What is laid out differently but means the same; a double backslash, the end of a row, is read first and kept. */
const LAYOUT =
  /(\\\\)|\\(?:left|right|bigl?|bigr|Bigl?|Bigr|displaystyle|textstyle|limits|quad|qquad)(?![A-Za-z])|\\(?:[,;:! ]|$)|~/g;

const DEGREES = /(\\(?:sin|cos|tan|cot|sec|csc)\s*[({]?\s*)(\d+(?:\.\d+)?)\s*\^\s*(?:\{\s*\\circ\s*\}|\\circ)/g;

/**
 * LaTeX, or plain text with mathematics, in one spelling: Unicode signs as commands, layout gone, `\dfrac` as `\frac`,
 * mathematics out of its dollars and out of a box, brackets as plain brackets, no full stop at the end.
 */
export function latexText(text: string): string {
  let s = '';
  for (const character of text) {
    const power = SUPERSCRIPTS.indexOf(character);
    s += power >= 0 ? `^${power}` : (UNICODE[character] ?? character);
  }
  s = s.normalize('NFKC').replaceAll('⁄', '/').replaceAll('−', '-').trim();
  s = s
    .replace(/(?<=\d)\\,(?=\d{3})/g, '')
    .replace(/(?<=\d)\{,\}(?=\d)/g, '')
    .replaceAll('\\$', '\\dollar ');
  s = s.replace(LAYOUT, (layout, row?: string) => row ?? (/^\\[a-z!]/i.test(layout) ? '' : ' '));
  s = outOfDollars(s.replace(/(\\\\)|\\[()[\]]/g, (_, row?: string) => row ?? ' ').trim());
  s = s
    .replace(/\\[dtc]frac(?![A-Za-z])/g, '\\frac')
    .replace(/\\(?:mbox|textrm|textit|textbf|textsf)(?![A-Za-z])/g, '\\text')
    .replace(/\\(?:mathbf|boldsymbol)(?![A-Za-z])\s*/g, ' ');
  s = s.replace(/\\(?:lbrace)(?![A-Za-z])/g, '\\{').replace(/\\(?:rbrace)(?![A-Za-z])/g, '\\}');
  s = s.replace(/\\(?:langle)(?![A-Za-z])/g, '(').replace(/\\(?:rangle)(?![A-Za-z])/g, ')');
  s = s.replace(/\\(?:[lr]?vert|mid)(?![A-Za-z])/g, '|').replace(/\\(?:leqslant|leq)(?![A-Za-z])/g, '\\le');
  s = s.replace(/\\(?:geqslant|geq)(?![A-Za-z])/g, '\\ge').replace(/\\neq(?![A-Za-z])/g, '\\ne');
  s = s
    .replace(/\\lt(?![A-Za-z])/g, '<')
    .replace(/\\gt(?![A-Za-z])/g, '>')
    .replace(/\\(?:dots|ldots|cdots)(?![A-Za-z])/g, '\\ldots ');
  // 3.14… is rounded; in a list, dots stand for what nobody can read.
  s = s.replace(/(\.\d+)\s*\\ldots /g, '$1');
  s = s.replace(/(?<!\d)(\d{0,15})\.(\d{0,15})\\overline\s*\{\s*(\d{1,15})\s*\}/g, repeating);
  s = s.replace(/\\(sin|cos|tan)\s*\^\s*(?:\{\s*-\s*1\s*\}|-1(?!\d))/g, '\\arc$1 ');
  // Degrees inside of a function are part of the number; elsewhere they are its unit.
  s = s.replace(DEGREES, '$1($2\\cdot\\pi/180)');
  s = s.replace(/\s+/g, ' ').trim();
  s = s.replace(/(?<=[^.])\.$/, '').trim();
  return outOfBox(s);
}

/** 0.1\overline{6} as (16 − 1)/90. */
function repeating(_: string, whole: string, fixed: string, period: string): string {
  const nines = BigInt('9'.repeat(period.length) + '0'.repeat(fixed.length));
  const { n, d } = rational(BigInt(whole + fixed + period) - BigInt(whole + fixed), nines) as Rational;
  return `\\frac{${n}}{${d}}`;
}

/** The content of a box around the whole. */
function outOfBox(s: string): string {
  if (!/^\\boxed\{.*\}$/s.test(s)) return s;
  const content = s.slice('\\boxed{'.length, -1);
  let depth = 0;
  for (const brace of content.replace(/\\./gs, '').replace(/[^{}]/g, '')) {
    depth += brace === '{' ? 1 : -1;
    if (depth < 0) return s;
  }
  return depth === 0 ? content.trim() : s;
}

/** The mathematics of `the answer is $x$`, where nothing beside it is mathematics. */
function outOfDollars(text: string): string {
  const parts = text.replaceAll('$$', '$').split('$');
  if (parts.length !== 3) return parts.length % 2 === 1 ? parts.join('') : text;
  const [before = '', inside = '', after = ''] = parts;
  return /[\d\\=]/.test(before + after) ? text : `${inside}${after.trim() === '' ? '' : ` ${after}`}`.trim();
}
