/**
 * The normal form of the MATH data set, for comparing LaTeX as strings; it knows no arithmetic. In this order: line
 * breaks and `\!` go; `\\` is `\`; `\tfrac` and `\dfrac` are `\frac`; `\left`, `\right`, degrees, `\$` and a trailing
 * unit (`\text{ …}` with its space) go; `\%` and `%` go; a decimal point gets its 0; a left side `k =` of at most two
 * characters goes; `\sqrt3` is `\sqrt{3}`; spaces go; `\frac12` is `\frac{1}{2}`; `0.5` is `\frac{1}{2}`; `a/b` with
 * whole numbers is `\frac{a}{b}`.
 *
 * Differences: verl, like the original code, keeps a bare `%`, and compares the raw strings where its own
 * normalisation breaks (two units, `\sqrt` or `\frac` at the end); here they are left as they are.
 *
 * @see Hendrycks et al. 2021, arXiv:2103.03874
 */
export function mathText(text: string): string {
  let s = text.replaceAll('\n', '').replaceAll('\\!', '').replaceAll('\\\\', '\\');
  s = s.replaceAll('tfrac', 'frac').replaceAll('dfrac', 'frac').replaceAll('\\left', '').replaceAll('\\right', '');
  s = s.replaceAll('^{\\circ}', '').replaceAll('^\\circ', '').replaceAll('\\$', '');
  const unit = s.lastIndexOf('\\text{ ');
  if (unit >= 0) s = s.slice(0, unit);
  s = s.replaceAll('\\%', '').replaceAll('%', '').replaceAll(' .', ' 0.').replaceAll('{.', '{0.');
  if (s.startsWith('.')) s = `0${s}`;
  const sides = s.split('=');
  if (sides.length === 2 && (sides[0] as string).length <= 2) s = sides[1] as string;
  s = s.replace(/\\sqrt([^{])/gu, '\\sqrt{$1}').replaceAll(' ', '');
  s = s.replace(/\\frac([^{])(.)/gu, (_, a: string, b: string) => `\\frac{${a}}${b === '{' ? b : `{${b}}`}`);
  if (s === '0.5') return '\\frac{1}{2}';
  const fraction = /^(0|-?[1-9]\d*)\/(0|-?[1-9]\d*)$/.exec(s);
  return fraction ? `\\frac{${fraction[1]}}{${fraction[2]}}` : s;
}
