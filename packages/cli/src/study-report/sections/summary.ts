import type { Analysis, Difference } from '../analysis.js';
import { points, range, signed, sure } from '../numbers.js';
import { type Part, type Section, text } from '../part.js';
import type { Roles } from '../roles.js';
import { type Comparison, compared, comparisons } from '../targets.js';

const opening: Readonly<Record<Comparison['key'], string>> = {
  plain: 'Where the damage hits one class (positives mislabelled, or few), {ours} {than} plain supervised training',
  balanced: 'there it {than} supervised training on balanced classes',
  symmetric: 'Under symmetric flips it {than} the best comparator of each damage',
  clean: 'on clean data it {than} supervised training on balanced classes',
};

/** The result in sentences, whichever way it went. */
export function summary(analysis: Analysis, roles: Roles): Section {
  const { best } = roles;
  const section = (parts: readonly Part[]): Section => ({ name: 'summary', title: 'In short', parts });
  if (!best) return section([text('No preset of BinaryPPO has complete results yet.')]);
  const clauses = comparisons(analysis, roles).flatMap((comparison) => {
    const blocks = compared(analysis, comparison, best.name);
    if (comparison.comparator === null || blocks.length === 0) return [];
    const seen = analysis.difference(best.name, comparison.comparator, blocks);
    const ours = `BinaryPPO (\`${best.label}\`)`;
    return [opening[comparison.key].replace('{ours}', ours).replace('{than}', than(seen))];
  });
  if (clauses.length === 0) return section([text(`\`${best.label}\` has no comparator with complete results yet.`)]);
  const sentences = clauses.map((clause) => clause.charAt(0).toUpperCase() + clause.slice(1));
  const [first = '', ...others] = sentences;
  const sets = analysis.plan.datasets.length;
  return section([
    { kind: 'headline', text: `${first}.` },
    text(...others.map((sentence) => `${sentence}.`)),
    text(
      `Points are hundredths of balanced accuracy on clean test texts at threshold 0.5, means over the sets (of ${sets})`,
      `on which the best method exceeds 0.6, with ${analysis.seeds} ${analysis.seeds === 1 ? 'seed' : 'seeds'} each;`,
      `brackets are 95 % intervals of the paired difference over training seeds and test examples.`,
      `\`${best.label}\` is the preset with the best mean over all damages; it is the same in every sentence.`,
    ),
  ]);
}

function than({ estimate, interval }: Difference): string {
  const by = `${points(Math.abs(estimate))} points`;
  const ends = interval ? ` ${range(interval, signed)}` : '';
  if (!sure(interval)) return `is **within the noise** (${signed(estimate)} points${ends}) of`;
  return estimate > 0 ? `is **${by}${ends} better** than` : `is **${by}${ends} worse** than`;
}
