import type { Html } from '../report/html.js';

export interface Cell {
  readonly text: string;
  readonly strong?: boolean;
  /** From −1 (orange) over 0 to 1 (blue): what a heat table shows beside the number. */
  readonly shade?: number;
}

export interface PartRow {
  readonly name: string;
  readonly note?: string;
  readonly cells: readonly Cell[];
}

/** A piece of the page, which becomes Markdown as well as HTML; texts may have **bold**, `code` and [links](to). */
export type Part =
  | { readonly kind: 'headline' | 'text' | 'heading'; readonly text: string }
  | { readonly kind: 'table'; readonly head: readonly string[]; readonly rows: readonly PartRow[] }
  | {
      readonly kind: 'figures';
      readonly figures: readonly {
        readonly name: string;
        readonly title: string;
        readonly reading: string;
        readonly svg: Html;
      }[];
    }
  /** What only some want to see; with `file`, Markdown has it in a file of its own. */
  | { readonly kind: 'folded'; readonly summary: string; readonly file?: string; readonly parts: readonly Part[] };

/** A generated part of the page: its place is between markers, under a heading that is the writer's to change. */
export interface Section {
  readonly name: string;
  readonly title: string;
  readonly parts: readonly Part[];
}

export const text = (...sentences: readonly string[]): Part => ({
  kind: 'text',
  text: sentences.filter(Boolean).join(' '),
});

export const plain = (value: string): Cell => ({ text: value });
