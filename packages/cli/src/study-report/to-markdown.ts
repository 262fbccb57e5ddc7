import { drawingOf } from './drawing.js';
import type { Cell, Part, Section } from './part.js';

/** Markdown, and the files beside it by name. */
export interface Written {
  readonly markdown: string;
  readonly files: ReadonlyMap<string, string>;
}

/** A section as Markdown; plots and long tables are files under `folder`, which is where the links lead. */
export function toMarkdown(section: Section, folder: string): Written {
  const files = new Map<string, string>();
  const write = (parts: readonly Part[], base: string): string => parts.map((part) => piece(part, base)).join('\n\n');
  const piece = (part: Part, base: string): string => {
    switch (part.kind) {
      case 'headline':
        return `**${part.text.replaceAll('**', '')}**`;
      case 'text':
        return part.text;
      case 'heading':
        return `### ${part.text}`;
      case 'table':
        return tableOf(part);
      case 'figures':
        return part.figures
          .map(({ name, title, reading, svg }) => {
            files.set(`${name}.svg`, drawingOf(svg));
            return `![${title}](${base}${name}.svg)\n\n**${title}.** ${reading}`;
          })
          .join('\n\n');
      case 'folded': {
        if (part.file === undefined) {
          return `<details>\n<summary>${part.summary}</summary>\n\n${write(part.parts, base)}\n\n</details>`;
        }
        files.set(
          part.file,
          `<!-- Made by npm run study:report; do not edit. -->\n\n# ${part.summary}\n\n${write(part.parts, '')}\n`,
        );
        return `[${part.summary}](${base}${part.file})`;
      }
    }
  };
  return { markdown: write(section.parts, `${folder}/`), files };
}

function tableOf({ head, rows }: Extract<Part, { kind: 'table' }>): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    line(head),
    line(head.map((_, i) => (i === 0 ? '---' : '---:'))),
    ...rows.map(({ name, note, cells }) => line([note ? `${name} (${note})` : name, ...cells.map(cellOf)])),
  ].join('\n');
}

const cellOf = ({ text, strong }: Cell): string => (strong && text !== '' ? `**${text}**` : text);
