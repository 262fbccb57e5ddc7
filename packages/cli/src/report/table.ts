import type { Json } from '@tsrl/core';
import { type Html, html } from './html.js';

export interface Row {
  readonly name: string;
  /** Small print after the name. */
  readonly note?: string;
  readonly cells: readonly string[];
}

/** A table with a column for every heading and a row for every name. */
export function table(corner: string, headings: readonly string[], rows: readonly Row[]): Html {
  const body = rows.map(
    ({ name, note, cells }) =>
      html`<tr><th scope="row">${name}${note ? html`<small>${note}</small>` : ''}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>
`,
  );
  return html`<div class="wide"><table><thead><tr><th scope="col">${corner}</th>${headings.map(
    (heading) => html`<th scope="col">${heading}</th>`,
  )}</tr></thead><tbody>
${body}</tbody></table></div>
`;
}

/** Settings of the runs side by side, nested ones under the name of their group; what all share is said once. */
export function settings(labels: readonly string[], runs: readonly Json[]): Html {
  const flat = runs.map((run) => new Map(leaves(run).map((leaf) => [leaf.path.join('\n'), leaf])));
  const every = [...new Map(flat.flatMap((leaf) => [...leaf])).values()];
  const groupOf = ({ path }: Leaf): string => (path.length > 1 ? (path[0] as string) : '');
  const groups = [...new Set(every.map(groupOf))].sort((a, b) => Number(a !== '') - Number(b !== ''));
  const row = ({ path }: Leaf, member: boolean): Html => {
    const values = flat.map((leaf) => leaf.get(path.join('\n'))?.value ?? '—');
    const same = values.every((value) => value === values[0]);
    const cells = same
      ? html`<td colspan="${labels.length}">${values[0] ?? ''}</td>`
      : html`${values.map((value) => html`<td><b>${value}</b></td>`)}`;
    const name = path.slice(member ? 1 : 0).join('.');
    return html`<tr${member ? html` class="member"` : ''}><th scope="row">${name}</th>${cells}</tr>\n`;
  };
  const group = (name: string): Html => {
    const head =
      name && html`<tr class="group"><th colspan="${labels.length + 1}" scope="rowgroup">${name}</th></tr>\n`;
    const members = every.filter((leaf) => groupOf(leaf) === name);
    return html`<tbody>\n${head}${members.map((leaf) => row(leaf, name !== ''))}</tbody>\n`;
  };
  const headings = labels.length > 1 ? labels : ['value'];
  return html`<div class="wide"><table class="settings"><thead><tr><th scope="col">setting</th>${headings.map(
    (heading) => html`<th scope="col">${heading}</th>`,
  )}</tr></thead>
${groups.map(group)}</table></div>
`;
}

interface Leaf {
  readonly path: readonly string[];
  readonly value: string;
}

/** Every value that is not an object, under its path; a list of plain values is one value. */
function leaves(value: Json, path: readonly string[] = []): Leaf[] {
  const plain = (item: Json): boolean => item === null || typeof item !== 'object';
  if (value === null) return [{ path, value: 'none' }];
  if (typeof value !== 'object') return [{ path, value: String(value) }];
  const entries = Object.entries(value);
  if (entries.length === 0) return [{ path, value: 'none' }];
  if (Array.isArray(value) && value.every(plain)) return [{ path, value: value.map(String).join(', ') }];
  return entries.flatMap(([key, inner]) => leaves(inner as Json, [...path, key]));
}
