// docs/algorithms.md, made from what the packages say of themselves: the entries of the registries (name, formula,
// paper, laws), the doc comments ("Differences:"), and the mappings of golden files that call a function.
// `npm run docs` writes it; a test compares.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
export const page = join(root, 'docs/algorithms.md');

/** The text of the page. `registries` are the five lists, however they were imported. */
export function algorithmsPage({ estimators, losses, confidenceRewards, rewards, verifiers }) {
  const goldens = goldenFiles();
  const sections = [
    ['Advantage estimators', 'advantages', estimators, estimatorText],
    ['Losses of tokens', 'losses', losses.filter(({ per }) => per === 'token'), lossText],
    ['Losses of responses, pairs and distributions', 'losses', losses.filter(({ per }) => per !== 'token'), lossText],
    ['Rewards of texts', 'rewards', Object.values(rewards), rewardText],
    ['Rewards that need a parser', 'verifiers', Object.values(verifiers), rewardText],
    ['Confidence-weighted rewards of classification', 'rewards', Object.values(confidenceRewards), confidenceText],
  ];
  for (const section of sections) section[2] = section[2].toSorted((x, y) => (x.name < y.name ? -1 : 1));
  const count = sections.reduce((sum, [, , entries]) => sum + entries.length, 0);
  return [
    '<!-- Made by `npm run docs` from the registries and the doc comments; do not edit. -->',
    '',
    '# Algorithms',
    '',
    `${count} algorithms, each one function of one file; what stands here is under the law suite, in the benchmarks and in`,
    'the laboratory by being in the registry of its package. Golden files are inputs and outputs of reference',
    'implementations ([what passes](conformance.md)); `a.b` is the file `a.b.json`. Options, defaults, edge cases and',
    'errors stand in the doc comment of each function, which your editor shows.',
    '',
    ...sections.map(([title, , entries]) => `- [${title}](#${anchor(title)}): ${entries.length}`),
    '- [What goes with them](#what-goes-with-them): trackers, filters, samplers, weights',
    ...sections.flatMap((section) => sectionText(section, goldens)),
    ...beside(sections, goldens),
    '',
  ].join('\n');
}

const estimatorText =
  'From `@tsrl/advantages`: host functions over typed arrays in float64. All are finite, 0 where masked, indifferent to ' +
  'padding and to inserted masked tokens, and permute with the rows; the column names what else they keep.';
const lossText =
  'From `@tsrl/losses`: differentiable functions of tensors. All are indifferent to the order of the rows, to padding ' +
  'and to what stands there (NaN too), leave their inputs alone, leak nothing, and have the gradients of a float64 ' +
  'oracle; the parts of a batch add up to the whole (*parts*), and a small step against the gradient lowers the loss ' +
  '(*descent*), unless the column says otherwise, and why.';
const rewardText = 'Samples in, one number or `null` ("does not apply") each out.';
const confidenceText =
  'From `@tsrl/rewards`: the family that BinaryPPO draws from. p is the probability of the label, p_a that of the action, ' +
  's is +1 where the action is right and −1 where not.';

function sectionText([title, name, entries, text], goldens) {
  const comments = docComments(name);
  const rows = entries.map((entry) => {
    const comment = comments.get(entry.name);
    if (comment === undefined) throw new Error(`@tsrl/${name} exports no documented function ${entry.name}`);
    const files = goldens.get(entry.name) ?? [];
    return [
      `[\`${entry.name}\`](../packages/${name}/src/${comment.file})`,
      cell(entry.formula),
      link(entry.citation),
      cell(promises(entry).join(', ')),
      files.map((file) => `\`${file}\``).join(' '),
    ];
  });
  const differences = entries
    .map(({ name: one }) => [one, comments.get(one).differences])
    .filter(([, said]) => said !== undefined);
  return [
    '',
    `## ${title}`,
    '',
    text,
    '',
    ...table(['function', 'formula', 'source', 'laws', 'golden files'], rows),
    ...(differences.length > 0
      ? ['', '### Where references differ', '', ...differences.map(([one, said]) => `- \`${one}\`: ${prose(said)}`)]
      : []),
  ];
}

/** What an entry declares beyond what all of its registry keep. */
function promises({ laws = [], excused = {}, variants = {} }) {
  const names = Object.keys(variants);
  return [
    ...laws,
    ...Object.entries(excused).map(([law, reason]) => `not *${law}*: ${reason}`),
    ...(names.length > 0 ? [`also under the laws: ${names.join(', ')}`] : []),
  ];
}

/** Public functions that are no entries: they take no rows, or are a part of those that do. */
function beside(sections, goldens) {
  const known = new Set(sections.flatMap(([, , entries]) => entries.map(({ name }) => name)));
  const rows = ['advantages', 'losses', 'rewards', 'verifiers'].flatMap((name) =>
    [...docComments(name)]
      .filter(([one, { isPublic }]) => isPublic && !known.has(one))
      .map(([one, { file, first }]) => [
        `[\`${one}\`](../packages/${name}/src/${file})`,
        `\`${name}\``,
        cell(first),
        (goldens.get(one) ?? []).map((golden) => `\`${golden}\``).join(' '),
      ]),
  );
  return ['', '## What goes with them', '', ...table(['function', 'package', 'what it does', 'golden files'], rows)];
}

/** The doc comments of the exported functions of a package by name. */
function docComments(name) {
  const directory = join(root, 'packages', name, 'src');
  const files = readdirSync(directory)
    .filter((file) => file.endsWith('.ts'))
    .sort();
  const sources = new Map(files.map((file) => [file, readFileSync(join(directory, file), 'utf8')]));
  const listed = [sources.get('algorithms.ts') ?? '', sources.get('index.ts') ?? ''].join('\n');
  const found = new Map();
  for (const [file, source] of sources) {
    const declared = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*export (?:async )?(?:function|const) (\w+)\b(.*)/g;
    for (const [, body, one, rest] of source.matchAll(declared)) {
      if (found.has(one) || /Entry$/.test(one) || /^: readonly/.test(rest)) continue;
      const text = body.replaceAll(/^ *\* ?/gm, '').trim();
      const paragraphs = text.split(/\n\s*\n|\n(?=@)/).map((paragraph) => paragraph.trim());
      const differences = paragraphs.find((paragraph) => paragraph.startsWith('Differences:'));
      const stem = basename(file, '.ts');
      found.set(one, {
        file,
        first: sentence(paragraphs[0]),
        differences: differences?.slice('Differences:'.length).trim(),
        isPublic:
          new RegExp(`'\\./${stem}\\.js'`).test(listed) &&
          new RegExp(`\\b${one}\\b|export \\* from '\\./${stem}`).test(listed),
      });
    }
  }
  return found;
}

const sentence = (text) =>
  prose(text)
    .match(/^.*?[.:](?=\s|$)/)?.[0]
    .replace(/:$/, '.') ?? prose(text);

/** Which golden files go through a function: the mappings that name it, themselves or through a function beside them. */
function goldenFiles() {
  const directory = join(root, 'packages/conformance/src/families');
  const found = new Map();
  for (const file of readdirSync(directory)
    .filter((name) => name !== 'index.ts')
    .sort()) {
    const source = readFileSync(join(directory, file), 'utf8');
    const imported = [...source.matchAll(/import \{([^}]*)\} from '@tsrl\/(?:advantages|losses|rewards|verifiers)'/g)]
      .flatMap(([, names]) => names.split(','))
      .map((name) => name.trim())
      .filter((name) => name !== '' && !name.startsWith('type '));
    const parts = source.split(/^(?=(?:export )?(?:async )?(?:function|const) \w)/m).slice(1);
    const bodies = new Map(parts.map((part) => [part.match(/(?:function|const) (\w+)/)[1], part]));
    for (const part of parts) {
      const golden = part.match(/^export const \w+: Family = (?:byFunction\(\s*|\{[\s\S]*?\bfile: )'([^']+)'/)?.[1];
      if (golden === undefined) continue;
      for (const name of reached(part, bodies)) {
        if (!imported.includes(name)) continue;
        const files = found.get(name) ?? [];
        found.set(name, [...files, golden].sort());
      }
    }
  }
  return found;
}

function reached(part, bodies, seen = new Set()) {
  for (const [name] of part.matchAll(/\b[A-Za-z_]\w*\b/g)) {
    if (seen.has(name)) continue;
    seen.add(name);
    if (bodies.has(name)) reached(bodies.get(name), bodies, seen);
  }
  return seen;
}

const anchor = (title) =>
  title
    .toLowerCase()
    .replaceAll(/[^a-z0-9 -]/g, '')
    .replaceAll(' ', '-');
const cell = (text) => text.replaceAll('|', '\\|');
const prose = (text) => text.replaceAll(/\s+/g, ' ').replaceAll(/\{@link (\w+)\}/g, '`$1`');

/** Papers by number become links; the words around them stay. */
const link = (citation) =>
  cell(citation)
    .replace(/arXiv:(\d{4}\.\d{4,5})/g, '[$1](https://arxiv.org/abs/$1)')
    .replace(/doi:(\S+)/g, '[doi](https://doi.org/$1)');

function table(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [advantages, losses, rewards, verifiers] = await Promise.all(
    ['advantages', 'losses', 'rewards', 'verifiers'].map((name) => import(`@tsrl/${name}/registry`)),
  );
  writeFileSync(page, algorithmsPage({ ...advantages, ...losses, ...rewards, ...verifiers }));
}
