/** What goes, in this order; units and phrases as the paper lists them. */
const REMOVED =
  'square|ways|integers|dollars|mph|inches|hours|km|units|\\ldots|sue|points|feet|minutes|digits|cents|degrees|cm|gm|' +
  'pounds|meters|meals|edges|students|childrentickets|multiples|\\text{s}|\\text{.}|\\text{\ns}|\\text{}^2|\\text{}^3|' +
  '\\text{\n}|\\text{}|\\mathrm{th}|^\\circ|^{\\circ}|\\;|,\\!|{,}|"|\\dots';

/**
 * The normal form of Minerva's final answers: what stands behind the last `=`; articles, spaces, units and decoration
 * go; of `…$x$…` only x stays; `\text{…}`, `\textbf{…}`, `\overline{…}` and `\boxed{…}` are opened; `\fracab` and
 * `\sqrta` get their braces; whole numbers lose their commas.
 *
 * Differences: none to verl's DAPO score that is known, for answers of one line.
 *
 * @see Lewkowycz et al. 2022, arXiv:2206.14858, appendix D.1
 */
export function finalAnswerText(text: string): string {
  let s = text.slice(text.lastIndexOf('=') + 1);
  s = s.replaceAll('an ', '').replaceAll('a ', '').replaceAll('.$', '$').replaceAll('\\$', '');
  s = s.replaceAll('\\ ', '').replaceAll(' ', '').replaceAll('mbox', 'text');
  s = s.replaceAll(',\\text{and}', ',').replaceAll('\\text{and}', ',').replaceAll('\\text{m}', '\\text{}');
  for (const removed of REMOVED.split('|')) s = s.replaceAll(removed, '');
  s = betweenDollars(s);
  for (const command of ['\\text{', '\\textbf{', '\\overline{']) s = open(s, command);
  s = openOutermost(s, '\\boxed{');
  s = s
    .replace(/frac([^{])(.)/gu, 'frac{$1}{$2}')
    .replace(/sqrt([^{])/gu, 'sqrt{$1}')
    .replaceAll('$', '');
  if (/^[\d,]+$/.test(s) && /\d/.test(s)) s = s.replaceAll(',', '');
  return s.trim();
}

/** `a$b$c` is `$b$`. */
function betweenDollars(text: string): string {
  const first = text.indexOf('$');
  const second = first < 0 ? -1 : text.indexOf('$', first + 1);
  return second < 0 ? text : text.slice(first, second + 1);
}

/** `\text{a}` is a, up to the nearest closing brace. */
function open(text: string, command: string): string {
  let opened = '';
  let from = 0;
  for (let at = text.indexOf(command); at >= 0; at = text.indexOf(command, from)) {
    const close = text.indexOf('}', at);
    if (close < 0) break;
    opened += text.slice(from, at) + text.slice(at + command.length, close);
    from = close + 1;
  }
  return opened + text.slice(from);
}

/** The same from the first command to the last closing brace. */
function openOutermost(text: string, command: string): string {
  const at = text.indexOf(command);
  const close = text.lastIndexOf('}');
  if (at < 0 || close < at + command.length) return text;
  return text.slice(0, at) + text.slice(at + command.length, close) + text.slice(close + 1);
}
