import type { Json } from '@tsrl/core';
import { count, duration } from '../../report/format.js';
import type { Analysis } from '../analysis.js';
import { type Part, plain, type Section, text } from '../part.js';
import { record } from '../record.js';

/** How the numbers came about: grid, command, machine, tuned values, settings. */
export function settings(analysis: Analysis): Section {
  const { track, plan, replicates, seeds } = analysis;
  const seconds = track.cells.reduce((sum, cell) => sum + cell.seconds, 0);
  const machines = track.studies.map(
    ({ name, machine, versions }) => `\`${name}\`: ${spoken(machine)}; ${spoken(versions)}`,
  );
  return {
    name: 'settings',
    title: 'How this was made',
    parts: [
      text(
        `${plan.datasets.length} sets × ${plan.damages.length} damages × ${plan.methods.length} methods × ${seeds} seeds, as far as the study asks for them:`,
        `${count(track.cells.length)} runs, ${duration(seconds)} of training in all (tuning not counted).`,
        `Made by \`${plan.command}\`; this page by \`npm run study:report -- --from docs/evidence\`, from the numbers in this repository,`,
        `with ${count(replicates)} bootstrap resamples from fixed seeds.`,
        'The intervals err on the wide side: of 1,000 made-up studies of two sets, two methods and five seeds, whose truth is known,',
        '95 % intervals of the paired difference held in 98.7 %, and those of a mean in 96.7 %.',
      ),
      ...machines.map((machine) => text(`Machine and versions of ${machine}.`)),
      {
        kind: 'folded',
        summary: 'Tuned values: how often each was chosen over sets and damages',
        parts: [tunedTable(analysis)],
      },
      {
        kind: 'folded',
        summary: 'Settings of the methods: what is usual, and where a method differs',
        parts: settingsTables(analysis),
      },
      ...track.studies.map(
        ({ name, configuration }): Part => ({
          kind: 'folded',
          summary: `Configuration of ${name}`,
          parts: [text(`\`${JSON.stringify(configuration).replaceAll('`', "'")}\``)],
        }),
      ),
    ],
  };
}

function tunedTable({ track, plan }: Analysis): Part {
  const names = [...new Set(track.cells.flatMap(({ tuned }) => Object.keys(record(tuned))))];
  return {
    kind: 'table',
    head: ['method', ...names],
    rows: plan.methods.map((method) => {
      const cells = track.cells.filter((cell) => cell.method === method.name);
      const groups = new Map(cells.map((cell) => [`${cell.dataset}/${cell.damage}`, record(cell.tuned)]));
      return {
        name: `\`${method.label}\``,
        cells: names.map((name) => {
          const values = [...groups.values()].flatMap((tuned) => (tuned[name] === undefined ? [] : [tuned[name]]));
          const distinct = [...new Set(values)].sort((a, b) => Number(a) - Number(b));
          const often = distinct.map((value) => `${spoken(value)} (${values.filter((one) => one === value).length}×)`);
          return plain(often.join(', ') || '–');
        }),
      };
    }),
  };
}

/** Seeds, tuned values and damages differ from run to run, and are told elsewhere. */
const elsewhere = ['seed', 'labelNoise', 'falsePositiveNoise', 'falseNegativeNoise', 'imbalance'];

function settingsTables({ track, plan }: Analysis): Part[] {
  const tuned = new Set(track.cells.flatMap((cell) => Object.keys(record(cell.tuned))));
  const ofMethod = plan.methods.map(({ name }) => {
    const values = new Map<string, Set<string>>();
    for (const cell of track.cells.filter((one) => one.method === name)) {
      for (const [key, value] of Object.entries(record(cell.settings))) {
        if (tuned.has(key) || elsewhere.includes(key)) continue;
        values.set(key, (values.get(key) ?? new Set()).add(spoken(value)));
      }
    }
    return new Map([...values].map(([key, seen]) => [key, [...seen].sort().join(' or ')]));
  });
  const keys = [...new Set(ofMethod.flatMap((values) => [...values.keys()]))].sort();
  const usual = new Map(keys.map((key) => [key, mostFrequent(ofMethod.flatMap((values) => values.get(key) ?? []))]));
  return [
    {
      kind: 'table',
      head: ['setting', 'usual value'],
      rows: keys.map((key) => ({ name: `\`${key}\``, cells: [plain(usual.get(key) ?? '')] })),
    },
    {
      kind: 'table',
      head: ['method', 'settings that differ'],
      rows: plan.methods.map((method, i) => {
        const differing = [...(ofMethod[i] ?? [])].filter(([key, value]) => value !== usual.get(key)).sort();
        const said = differing.map(([key, value]) => `${key} ${value}`).join('; ');
        return { name: `\`${method.label}\``, cells: [plain(said || 'none')] };
      }),
    },
  ];
}

/** Of equally frequent values the first. */
function mostFrequent(values: readonly string[]): string | undefined {
  const often = (value: string): number => values.filter((other) => other === value).length;
  return values.reduce<string | undefined>((best, value) => {
    return best === undefined || often(value) > often(best) ? value : best;
  }, undefined);
}

/** A value for people: `a, b` for a list, `key value, key value` for an object. */
function spoken(json: Json | undefined): string {
  if (json === undefined || json === null) return 'none';
  if (Array.isArray(json)) return json.map(spoken).join(', ') || 'none';
  if (typeof json === 'object')
    return Object.entries(json)
      .map(([key, value]) => `${key} ${spoken(value)}`)
      .join(', ');
  return String(json).replace(/\s+/g, ' ').replaceAll('|', '/');
}
