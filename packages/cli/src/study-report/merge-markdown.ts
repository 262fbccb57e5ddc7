/** A generated part as Markdown. */
export interface GeneratedPart {
  readonly name: string;
  readonly title: string;
  readonly markdown: string;
}

/** What a page is made of, in its order. */
export type Piece = { readonly prose: string } | { readonly name: string; readonly markdown: string };

const begin = (name: string): string => `<!-- begin ${name}: made by npm run study:report, do not edit -->`;
const end = (name: string): string => `<!-- end ${name} -->`;

/**
 * The page with its generated parts made anew. What stands outside the markers is the writer's and stays: headings,
 * text, the order of the parts. A part that the page does not have yet comes after the one before it in the list,
 * under its title; one that is no longer made says so in its place, so that no old number stays.
 */
export function mergeMarkdown(existing: string, title: string, parts: readonly GeneratedPart[]): string {
  let page = existing.trim() === '' ? `# ${title}\n` : existing;
  let before: string | undefined;
  for (const { name, title: heading, markdown } of parts) {
    const block = `${begin(name)}\n\n${markdown}\n\n${end(name)}`;
    const [from, to] = span(page, name);
    if (from >= 0) page = page.slice(0, from) + block + page.slice(to);
    else {
      const section = `## ${heading}\n\n${block}\n`;
      const after = before === undefined ? page.length : span(page, before)[1];
      page = `${page.slice(0, after).trimEnd()}\n\n${section}${page.slice(after) || ''}`;
    }
    before = name;
  }
  const made = new Set(parts.map(({ name }) => name));
  for (const piece of piecesOf(page)) {
    if (!('name' in piece) || made.has(piece.name)) continue;
    const [from, to] = span(page, piece.name);
    page = `${page.slice(0, from)}${begin(piece.name)}\n\n${GONE}\n\n${end(piece.name)}${page.slice(to)}`;
  }
  return `${page.trimEnd()}\n`;
}

const GONE = '*This part is no longer made; delete it with its markers.*';

/** The page cut at its markers. */
export function piecesOf(page: string): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  for (const match of page.matchAll(/<!-- begin ([^\s:]+):[^>]*-->/g)) {
    const name = match[1] as string;
    const [from, to] = span(page, name);
    if (from !== match.index) continue;
    pieces.push({ prose: page.slice(at, from) });
    pieces.push({ name, markdown: page.slice(match.index + match[0].length, to - end(name).length).trim() });
    at = to;
  }
  return [...pieces, { prose: page.slice(at) }];
}

/** Where a part begins and ends; [-1, -1] where it does not. */
function span(page: string, name: string): readonly [from: number, to: number] {
  const from = page.search(new RegExp(`<!-- begin ${name.replace(/[^\w-]/g, '\\$&')}:`));
  const to = page.indexOf(end(name), from);
  return from < 0 || to < 0 ? [-1, -1] : [from, to + end(name).length];
}
