import type { Analysis, Chooser } from './analysis.js';
import type { PlannedMethod } from './plan.js';
import type { Block } from './set-scores.js';

/** Who is compared with whom. */
export interface Roles {
  /** The preset with the best mean over all damages and learnable sets; `null` without one. */
  readonly best: PlannedMethod | null;
  readonly presets: readonly PlannedMethod[];
  readonly comparators: readonly PlannedMethod[];
  /** The preset that is best on all other data sets: what had been chosen without looking at this one. */
  readonly bestElsewhere: Chooser;
  /** The comparator with the best mean over the learnable sets of the block's damage. */
  readonly bestComparator: (block: Block) => string;
}

export function rolesOf(analysis: Analysis): Roles {
  const { plan } = analysis;
  const learnable = (damage: string): readonly Block[] => analysis.learnable(analysis.blocks(damage));
  const ofRole = (role: PlannedMethod['role']): PlannedMethod[] =>
    plan.methods.filter((method) => method.role === role);

  const presets = fullest(
    analysis,
    ofRole('preset'),
    plan.damages.flatMap(({ name }) => learnable(name)),
  );
  const best = bestOf(analysis, presets.methods, presets.blocks);
  const elsewhere = new Map(
    plan.datasets.map((dataset) => {
      const others = presets.blocks.filter((block) => block.dataset !== dataset);
      return [dataset, bestOf(analysis, presets.methods, others) ?? best];
    }),
  );
  const comparators = ofRole('comparator');
  const ofDamage = new Map(
    plan.damages.map(({ name }) => {
      const { methods, blocks } = fullest(analysis, comparators, learnable(name));
      return [name, bestOf(analysis, methods, blocks)];
    }),
  );
  return {
    best,
    presets: presets.methods,
    comparators,
    bestElsewhere: ({ dataset }) => elsewhere.get(dataset)?.name ?? '',
    bestComparator: ({ damage }) => ofDamage.get(damage)?.name ?? '',
  };
}

/** The methods that have a result on most of the blocks, and the blocks on which all of these have one. */
function fullest(
  { score }: Analysis,
  methods: readonly PlannedMethod[],
  blocks: readonly Block[],
): { methods: readonly PlannedMethod[]; blocks: readonly Block[] } {
  const has = (block: Block, { name }: PlannedMethod): boolean => score(block, name) !== undefined;
  const count = (method: PlannedMethod): number => blocks.filter((block) => has(block, method)).length;
  const most = Math.max(0, ...methods.map(count));
  const complete = methods.filter((method) => most > 0 && count(method) === most);
  return { methods: complete, blocks: blocks.filter((block) => complete.every((method) => has(block, method))) };
}

function bestOf({ mean }: Analysis, methods: readonly PlannedMethod[], blocks: readonly Block[]): PlannedMethod | null {
  if (blocks.length === 0) return null;
  const means = methods.map(({ name }) => mean(name, blocks).estimate);
  return methods[means.indexOf(Math.max(...means))] ?? null;
}
