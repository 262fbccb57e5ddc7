import type { Html } from '../report/html.js';

/** A plot of the page as a file of its own: black on white, whatever the page around it, with the size it was made for. */
export function drawingOf({ html }: Html): string {
  const [, width = '480', height = '300'] = /viewBox="0 0 ([\d.]+) ([\d.]+)"/.exec(html) ?? [];
  return html
    .replace('<svg ', `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" color="#1b1f24" `)
    .replace('>', '><rect width="100%" height="100%" fill="#fff"/>')
    .concat('\n');
}
