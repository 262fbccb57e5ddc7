import { type Html, html, trusted } from '../report/html.js';

/** One line of Markdown as HTML: `code`, **bold**, *italic*, links; everything else is text. */
export function inline(markdown: string): Html {
  const token = /`([^`]+)`|\*\*(.+?)\*\*|\*([^*\s][^*]*)\*|!?\[([^\]]*)\]\(([^)\s]+)\)/g;
  const parts: Html[] = [];
  let end = 0;
  for (const match of markdown.matchAll(token)) {
    parts.push(html`${markdown.slice(end, match.index)}`);
    const [all, code, bold, italic, label, target] = match;
    if (code !== undefined) parts.push(html`<code>${code}</code>`);
    else if (bold !== undefined) parts.push(html`<b>${inline(bold)}</b>`);
    else if (italic !== undefined) parts.push(html`<i>${inline(italic)}</i>`);
    else parts.push(html`<a href="${target ?? ''}">${inline(label ?? '')}</a>`);
    end = match.index + all.length;
  }
  return trusted([...parts, html`${markdown.slice(end)}`].map((part) => part.html).join(''));
}
