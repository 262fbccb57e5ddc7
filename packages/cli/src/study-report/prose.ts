import { type Html, html } from '../report/html.js';
import { inline } from './inline.js';

/**
 * The Markdown that people write between the generated parts, as HTML: headings, paragraphs, lists of one level,
 * quotes, tables and fenced code. Comments stay away.
 */
export function prose(markdown: string): Html[] {
  const lines = markdown.replace(/<!--[\s\S]*?-->/g, '').split('\n');
  const pieces: Html[] = [];
  let at = 0;
  const take = (belongs: (line: string) => boolean): string[] => {
    const from = at;
    while (at < lines.length && belongs(lines[at] as string)) at += 1;
    return lines.slice(from, at);
  };
  while (at < lines.length) {
    const line = lines[at] as string;
    if (line.trim() === '') at += 1;
    else if (/^#{1,4} /.test(line)) pieces.push(heading(lines[at++] as string));
    else if (line.startsWith('```')) {
      at += 1;
      pieces.push(html`<pre>${take((one) => !one.startsWith('```')).join('\n')}</pre>\n`);
      at += 1;
    } else if (line.startsWith('|')) pieces.push(table(take((one) => one.startsWith('|'))));
    else if (bullet.test(line)) pieces.push(listOf(take((one) => bullet.test(one) || /^\s+\S/.test(one))));
    else if (line.startsWith('>')) {
      const quoted = take((one) => one.startsWith('>')).map((one) => one.replace(/^>\s?/, ''));
      pieces.push(html`<blockquote>${prose(quoted.join('\n'))}</blockquote>\n`);
    } else {
      const paragraph = take((one) => one.trim() !== '' && !/^(#{1,4} |```|\||>)/.test(one) && !bullet.test(one));
      pieces.push(html`<p>${inline(paragraph.join(' '))}</p>\n`);
    }
  }
  return pieces;
}

const bullet = /^(?:[-*]|\d+\.) /;

function heading(line: string): Html {
  const [, marks = '', title = ''] = /^(#+) (.*)$/.exec(line) ?? [];
  const inner = inline(title);
  return marks.length === 1
    ? html`<h1>${inner}</h1>\n`
    : marks.length === 2
      ? html`<h2>${inner}</h2>\n`
      : html`<h3>${inner}</h3>\n`;
}

function listOf(lines: readonly string[]): Html {
  const items: string[] = [];
  for (const line of lines) {
    if (bullet.test(line)) items.push(line.replace(bullet, ''));
    else items.push(`${items.pop() ?? ''} ${line.trim()}`);
  }
  const inner = items.map((item) => html`<li>${inline(item)}</li>\n`);
  return /^\d/.test(lines[0] ?? '') ? html`<ol>${inner}</ol>\n` : html`<ul>${inner}</ul>\n`;
}

function table(lines: readonly string[]): Html {
  const [head = [], ...rows] = lines
    .filter((line) => !/^\|[\s:|-]+\|?$/.test(line))
    .map((line) => line.replace(/^\||\|\s*$/g, '').split('|'));
  return html`<div class="wide"><table><thead><tr>${head.map((cell) => html`<th>${inline(cell.trim())}</th>`)}</tr></thead><tbody>
${rows.map((row) => html`<tr>${row.map((cell) => html`<td>${inline(cell.trim())}</td>`)}</tr>\n`)}</tbody></table></div>\n`;
}
