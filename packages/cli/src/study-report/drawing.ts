import type { Html } from '../report/html.js';

const MARGIN = 12;

/** A plot of the page as a file of its own: black on white with a margin, whatever the page around it. */
export function drawingOf({ html }: Html): string {
  const [given = '', width = '480', height = '300'] = /viewBox="0 0 ([\d.]+) ([\d.]+)"/.exec(html) ?? [];
  const [w, h] = [Number(width) + 2 * MARGIN, Number(height) + 2 * MARGIN];
  const box = `viewBox="${-MARGIN} ${-MARGIN} ${w} ${h}" width="${w}" height="${h}"`;
  const paper = `<rect x="${-MARGIN}" y="${-MARGIN}" width="${w}" height="${h}" fill="#fff"/>`;
  return `${html
    .replace('<svg ', '<svg xmlns="http://www.w3.org/2000/svg" color="#1b1f24" ')
    .replace(given, box)
    .replace('>', `>${paper}`)}\n`;
}
