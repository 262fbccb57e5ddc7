import { DataError, type Json } from '@tsrl/core';
import type { Track } from './cell.js';
import { type DamageGroup, groupOf, groupOrder, labelOf } from './damage.js';
import { type JsonRecord, record } from './record.js';

/** `preset`: ours, a candidate for the best; `comparator`: theirs; `ablation`: a preset without a part; `variant`: ours otherwise. */
export type Role = 'preset' | 'comparator' | 'ablation' | 'variant';

/** How the report reads the names of a study: EVIDENCE/plan.json, every part of which may be left out. */
export interface GivenPlan {
  readonly title?: string;
  /** The track that the main sentence and the targets are about. Default `frozen`, else the first. */
  readonly track?: string;
  /** In the order of the page. */
  readonly damages?: Readonly<Record<string, { readonly label?: string; readonly group?: DamageGroup }>>;
  /** In the order of the page. */
  readonly methods?: Readonly<
    Record<string, { readonly label?: string; readonly role?: Role; readonly ablates?: string }>
  >;
  /** The method that is plain supervised training, and the one that is that with balanced classes. */
  readonly plain?: string;
  readonly balanced?: string;
  /** The command that made the cells, of each track. */
  readonly commands?: Readonly<Record<string, string>>;
}

export interface PlannedDamage {
  readonly name: string;
  readonly label: string;
  readonly group: DamageGroup;
}

export interface PlannedMethod {
  readonly name: string;
  readonly label: string;
  readonly role: Role;
  /** The method that it is without a part, or with another one: an ablation of it, whatever else it is. */
  readonly ablates?: string;
}

/** The names of one track with what they stand for. */
export interface Plan {
  readonly title: string;
  readonly datasets: readonly string[];
  readonly damages: readonly PlannedDamage[];
  readonly methods: readonly PlannedMethod[];
  readonly plain: string;
  readonly balanced: string;
  readonly command: string;
}

/**
 * What the plan leaves open is read from the configuration of the study: a damage by its settings (and where there are
 * none by its name), a BinaryPPO with nothing but its preset as a preset, `NAME-…` as an ablation of the preset NAME,
 * every other BinaryPPO as a variant of ours, all else as a comparator.
 *
 * @throws DataError for a damage that nothing tells of
 */
export function planFor(track: Track, given: GivenPlan = {}): Plan {
  const keys = [...track.cells, ...track.failed];
  const configured = {
    damages: configOf(track, 'damages'),
    methods: configOf(track, 'methods'),
    datasets: configOf(track, 'datasets'),
  };
  const damageNames = [...new Set(keys.map(({ damage }) => damage))];
  const damages = damageNames.map((name): PlannedDamage => {
    const configuredAs = configured.damages[name];
    const { label = labelOf(configuredAs) ?? name, group = groupOf(name, configuredAs) } = given.damages?.[name] ?? {};
    if (groupOrder.some((other) => other === name && other !== group)) {
      throw new DataError('plan.json', `the damage ${name} is of the group ${group}: give it another name`);
    }
    if (group) return { name, label, group };
    throw new DataError(
      'plan.json',
      `nothing tells what the damage ${name} does: give it a group (${groupOrder.join(', ')}) under "damages"`,
    );
  });
  const names = [...new Set(keys.map(({ method }) => method))];
  const ours = new Set(
    track.cells.filter(({ settings }) => methodOf(settings) === 'binary-ppo').map(({ method }) => method),
  );
  const presets = names.filter((name) =>
    given.methods?.[name]?.role
      ? given.methods[name].role === 'preset'
      : onlyHas(configured.methods[name], { method: 'binary-ppo' }, ['preset']),
  );
  const methods = names.map((name): PlannedMethod => {
    const { label = name, role, ablates } = given.methods?.[name] ?? {};
    const of = ablates ?? presets.find((preset) => name.startsWith(`${preset}-`));
    const guessed: Role = presets.includes(name)
      ? 'preset'
      : of !== undefined
        ? 'ablation'
        : ours.has(name)
          ? 'variant'
          : 'comparator';
    const known = role ?? guessed;
    const part = ablates ?? (known === 'ablation' ? of : undefined);
    return { name, label, role: known, ...(part !== undefined && { ablates: part }) };
  });
  const datasets = [...new Set(keys.map(({ dataset }) => dataset))].map((name) => ({ name }));
  const looks = (wanted: object): string | undefined =>
    names.find((name) => onlyHas(configured.methods[name], wanted, []));
  return {
    title: given.title ?? 'Evidence',
    datasets: inOrder(datasets, [{}, configured.datasets]).map(({ name }) => name),
    damages: inOrder(damages, [given.damages, configured.damages], ({ group }) => groupOrder.indexOf(group)),
    methods: inOrder(methods, [given.methods, configured.methods], ({ role }) => roleOrder.indexOf(role)),
    plain: given.plain ?? looks({ method: 'sft' }) ?? 'sft',
    balanced: given.balanced ?? looks({ method: 'sft', sampling: 'balanced' }) ?? 'sft-balanced',
    command: given.commands?.[track.name] ?? 'npm run study',
  };
}

const roleOrder: readonly Role[] = ['preset', 'variant', 'ablation', 'comparator'];

/** A section of the configuration, of all studies of the track. */
const configOf = (track: Track, section: string): JsonRecord =>
  Object.assign({}, ...track.studies.map(({ configuration }) => record(record(configuration)[section]))) as JsonRecord;

const methodOf = (settings: Json): Json | undefined => record(settings)['method'];

/** Whether a method of the configuration says this, and nothing else but what is allowed besides. */
function onlyHas(configured: Json | undefined, wanted: object, besides: readonly string[]): boolean {
  if (configured === undefined) return false;
  const rest = Object.entries(record(configured)).filter(([key]) => key !== 'only' && !besides.includes(key));
  return (
    rest.length === Object.keys(wanted).length &&
    rest.every(([key, value]) => Object.entries(wanted).some(([k, v]) => k === key && v === value))
  );
}

/** First what the plan names, in its order, then by what they are, then as the configuration has them, then by name. */
function inOrder<T extends { readonly name: string }>(
  items: readonly T[],
  [planned = {}, configured = {}]: readonly (object | undefined)[],
  rank: (item: T) => number = () => 0,
): T[] {
  const place = (list: object, { name }: T): number => {
    const at = Object.keys(list).indexOf(name);
    return at < 0 ? Infinity : at;
  };
  const order = (a: T, b: T): number[] => [
    byPlace(place(planned, a), place(planned, b)),
    rank(a) - rank(b),
    byPlace(place(configured, a), place(configured, b)),
    a.name < b.name ? -1 : 1,
  ];
  return items.toSorted((a, b) => order(a, b).find((sign) => sign !== 0) ?? 0);
}

const byPlace = (a: number, b: number): number => (a === b ? 0 : a - b);
