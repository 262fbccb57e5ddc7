import { figure } from '../report/figure.js';
import { type Html, html } from '../report/html.js';
import { style } from '../report/style.js';
import { inline } from './inline.js';
import type { Piece } from './merge-markdown.js';
import type { Cell, Part, PartRow, Section } from './part.js';
import { prose } from './prose.js';
import { studyStyle } from './study-style.js';

/** The page of the Markdown file as HTML that needs nothing else: its prose, and its generated parts with their plots. */
export function toHtml(title: string, pieces: readonly Piece[], sections: readonly Section[]): string {
  const content = pieces.map((piece) => {
    if ('prose' in piece) return html`${prose(piece.prose)}`;
    const section = sections.find(({ name }) => name === piece.name);
    return section
      ? html`<section class="made" id="${piece.name}">\n${section.parts.map(partOf)}</section>\n`
      : html`${prose(piece.markdown)}`;
  });
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${title}</title>
<style>${style}${studyStyle}</style>
</head>
<body>
<main>
${content}</main>
</body>
</html>
`;
  return page.html;
}

function partOf(part: Part): Html {
  switch (part.kind) {
    case 'headline':
      return html`<p class="headline">${inline(part.text)}</p>\n`;
    case 'text':
      return html`<p>${inline(part.text)}</p>\n`;
    case 'heading':
      return html`<h3>${inline(part.text)}</h3>\n`;
    case 'table':
      return tableOf(part.head, part.rows);
    case 'figures':
      return html`<div class="figures">\n${part.figures.map(({ title, reading, svg }) => figure(title, reading, svg))}</div>\n`;
    case 'folded':
      return html`<details><summary>${part.summary}</summary>\n${part.parts.map(partOf)}</details>\n`;
  }
}

function tableOf([corner = '', ...headings]: readonly string[], rows: readonly PartRow[]): Html {
  const body = rows.map(
    ({ name, note, cells }) =>
      html`<tr><th scope="row">${inline(name)}${note ? html`<small>${inline(note)}</small>` : ''}</th>${cells.map(cellOf)}</tr>\n`,
  );
  return html`<div class="wide"><table class="study"><thead><tr><th scope="col">${inline(corner)}</th>${headings.map(
    (heading) => html`<th scope="col">${inline(heading)}</th>`,
  )}</tr></thead><tbody>
${body}</tbody></table></div>\n`;
}

function cellOf({ text, strong, shade }: Cell): Html {
  const inner = strong ? html`<b>${inline(text)}</b>` : inline(text);
  if (shade === undefined || shade === 0) return html`<td>${inner}</td>`;
  return html`<td class="${shade > 0 ? 'high' : 'low'}" style="--share:${Math.min(1, Math.abs(shade)).toFixed(2)}">${inner}</td>`;
}
