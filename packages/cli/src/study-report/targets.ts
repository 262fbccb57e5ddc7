import { type Interval, wilsonInterval } from '@tsrl/evaluation';
import { type Analysis, type Chooser, type Difference, nameOf } from './analysis.js';
import { calibrationOf } from './calibration-scores.js';
import { range, signed } from './numbers.js';
import type { Roles } from './roles.js';
import type { Block } from './set-scores.js';

/** A target that was set before the study, and what was seen. */
export interface Target {
  readonly what: string;
  readonly least: string;
  readonly aim: string;
  readonly seen: string;
  readonly interval: Interval | null;
  /** How `interval` and its like are written. */
  readonly write: (value: number) => string;
  readonly overSets: Interval | null;
  /** The same at the threshold chosen on validation data. */
  readonly atChosen: string;
  readonly verdict: Verdict;
  readonly note: string;
}

/** `uncertain`: met, but the interval reaches below what was asked for at least. */
export type Verdict = 'aim reached' | 'met' | 'met, uncertain' | 'not met' | 'not measured';

/** A comparison with what it was to reach, in points, and with which data. */
export interface Comparison {
  readonly key: 'plain' | 'balanced' | 'symmetric' | 'clean';
  readonly what: string;
  readonly comparator: Chooser | null;
  readonly group: 'one-sided' | 'symmetric' | 'clean';
  readonly least: number;
  readonly aim: number;
  /** Whether the interval must lie above 0. */
  readonly above: boolean;
}

export const comparisons = ({ plan }: Analysis, roles: Roles): readonly Comparison[] => {
  const of = (group: Comparison['group']): string =>
    plan.damages
      .filter((damage) => damage.group === group)
      .map(({ label }) => label)
      .join(' and ');
  const known = (name: string): string | null => (plan.methods.some((method) => method.name === name) ? name : null);
  return [
    {
      key: 'plain',
      what: `best preset against plain SFT: ${of('one-sided')}`,
      comparator: known(plan.plain),
      group: 'one-sided',
      least: 4,
      aim: 7,
      above: true,
    },
    {
      key: 'balanced',
      what: `best preset against balanced SFT: ${of('one-sided')}`,
      comparator: known(plan.balanced),
      group: 'one-sided',
      least: 1,
      aim: 3,
      above: true,
    },
    {
      key: 'symmetric',
      what: `best preset against the best comparator of each damage: ${of('symmetric')}`,
      comparator: roles.comparators.length > 0 ? roles.bestComparator : null,
      group: 'symmetric',
      least: -1,
      aim: 0,
      above: false,
    },
    {
      key: 'clean',
      what: `best preset against balanced SFT: ${of('clean')}`,
      comparator: known(plan.balanced),
      group: 'clean',
      least: -0.5,
      aim: 0,
      above: false,
    },
  ];
};

/** Where both have their results and the best method is above 0.6. */
export function compared(analysis: Analysis, { group, comparator }: Comparison, ours: Chooser): readonly Block[] {
  return analysis.learnable(both(analysis, analysis.blocks(group), [ours, comparator]));
}

/** The blocks on which all of them have their results. */
const both = ({ score }: Analysis, blocks: readonly Block[], methods: readonly (Chooser | null)[]): readonly Block[] =>
  blocks.filter((block) => methods.every((method) => method !== null && score(block, nameOf(method, block))));

export function targetsOf(analysis: Analysis, roles: Roles): Target[] {
  return [
    ...comparisons(analysis, roles).map((comparison) => comparisonTarget(analysis, roles, comparison)),
    suspectsTarget(analysis),
    calibrationTarget(analysis, roles),
  ];
}

const blank = {
  seen: '',
  interval: null,
  write: signed,
  overSets: null,
  atChosen: '',
  verdict: 'not measured',
  note: '',
} as const satisfies Partial<Target>;

function comparisonTarget(analysis: Analysis, roles: Roles, comparison: Comparison): Target {
  const { what, comparator, least, aim, above } = comparison;
  const asked = {
    what,
    least: `${signed(least / 100)}${above ? ', surely above 0' : ''}`,
    aim: aim === 0 ? 'better' : signed(aim / 100),
  };
  const ours = roles.best?.name;
  const blocks = ours === undefined ? [] : compared(analysis, comparison, ours);
  if (ours === undefined || comparator === null || blocks.length === 0) return { ...blank, ...asked };
  const seen = analysis.difference(ours, comparator, blocks);
  const chosen = analysis.difference(ours, comparator, blocks, 'chosen');
  const everywhere = both(analysis, analysis.blocks(comparison.group), [ours, comparator]);
  const elsewhere =
    both(analysis, blocks, [roles.bestElsewhere]).length === blocks.length
      ? analysis.difference(roles.bestElsewhere, comparator, blocks)
      : null;
  const notes = [
    `${seen.perSet.size} of ${analysis.plan.datasets.length} sets count`,
    `over all sets ${signed(analysis.difference(ours, comparator, everywhere).estimate)}`,
    ...(elsewhere && roles.presets.length > 1 ? [`preset chosen on the other sets ${signed(elsewhere.estimate)}`] : []),
  ];
  return {
    ...blank,
    ...asked,
    seen: signed(seen.estimate),
    interval: seen.interval,
    overSets: seen.overSets,
    atChosen: `${signed(chosen.estimate)} ${range(chosen.interval, signed)}`,
    verdict: judge(seen, comparison),
    note: notes.join('; '),
  };
}

function judge({ estimate, interval }: Difference, { least, aim, above }: Comparison): Verdict {
  const lower = interval?.lower ?? -Infinity;
  if (estimate < least / 100 || (above && lower <= 0)) return 'not met';
  if (aim === 0 ? estimate > 0 : estimate >= aim / 100) return lower >= least / 100 ? 'aim reached' : 'met, uncertain';
  return lower >= least / 100 ? 'met' : 'met, uncertain';
}

/** What the target is about; a study makes such lists for every damage with flips. */
const SUSPECTED = { datasets: ['sms_spam', 'jailbreak_prompts'], damage: 'flips-20' } as const;

function suspectsTarget({ track }: Analysis): Target {
  const asked = {
    what: 'suspicious labels at 20 % flips, sms_spam and jailbreak_prompts: share of the first 100 that were flipped',
    least: '0.80',
    aim: '0.95',
    write: (share: number) => share.toFixed(2),
  };
  const { datasets, damage } = SUSPECTED;
  const lists = track.suspects.filter(
    (one) => one.damage === damage && one.listed > 0 && datasets.some((name) => one.dataset.split('@')[0] === name),
  );
  if (lists.length === 0)
    return { ...blank, ...asked, note: `no lists of ${datasets.join(' and ')} with ${damage} in suspects.json` };
  const [listed, flipped] = [sum(lists.map((one) => one.listed)), sum(lists.map((one) => one.flipped))];
  const worst = Math.min(...lists.map((one) => one.flipped / one.listed));
  const bySet = lists.map((one) => `${one.dataset} seed ${one.seed}: ${one.flipped} of ${one.listed}`);
  const interval = wilsonInterval(flipped, listed);
  return {
    ...blank,
    ...asked,
    seen: (flipped / listed).toFixed(2),
    interval,
    verdict: worst >= 0.95 ? 'aim reached' : worst >= 0.8 ? 'met' : 'not met',
    note: `${bySet.join('; ')}; judged by the worst list`,
  };
}

function calibrationTarget(analysis: Analysis, roles: Roles): Target {
  const asked = {
    what: 'ECE after temperature scaling, clean data, sets with over 1,000 training examples',
    least: 'at most 0.050',
    aim: '0.030',
    write: (value: number) => value.toFixed(3),
  };
  const [clean] = analysis.plan.damages.filter(({ group }) => group === 'clean');
  const found = clean && roles.best ? calibrationOf(analysis, roles.best.name, clean.name) : null;
  if (!found) return { ...blank, ...asked };
  const { after, sets } = found;
  const verdict: Verdict =
    after.estimate > 0.05
      ? 'not met'
      : (after.interval?.upper ?? Infinity) > 0.05
        ? 'met, uncertain'
        : after.estimate > 0.03
          ? 'met'
          : 'aim reached';
  return {
    ...blank,
    ...asked,
    seen: after.estimate.toFixed(3),
    interval: after.interval,
    verdict,
    note: `mean over ${sets} sets; ${found.before.estimate.toFixed(3)} before scaling; interval over seeds`,
  };
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
