import type { Analysis } from '../analysis.js';
import { groupLabels } from '../damage.js';
import { difference, sure } from '../numbers.js';
import { type Cell, plain, type Section, text } from '../part.js';

const groups = ['clean', 'one-sided', 'symmetric', 'both'] as const;

/** What each part of a preset is worth: the preset without it, minus the preset. */
export function ablations(analysis: Analysis): Section | null {
  const { plan } = analysis;
  const presets = plan.methods.filter(({ name }) => plan.methods.some(({ ablates }) => ablates === name));
  if (presets.length === 0) return null;
  const present = groups.filter((group) => plan.damages.some((damage) => damage.group === group));
  const parts = presets.flatMap((preset) => {
    const rows = plan.methods
      .filter(({ ablates }) => ablates === preset.name)
      .map((method) => ({
        name: `\`${method.label}\``,
        cells: present.map((group): Cell => {
          const blocks = analysis.learnable(analysis.blocks(group, [method.name, preset.name]));
          if (blocks.length === 0) return plain('–');
          const seen = analysis.difference(method.name, preset.name, blocks);
          const strong = sure(seen.interval);
          return { text: difference(seen), strong, shade: strong ? seen.estimate / 0.05 : 0 };
        }),
      }));
    return [
      { kind: 'heading', text: `Against \`${preset.label}\`` } as const,
      { kind: 'table', head: ['method', ...present.map((group) => groupLabels[group])], rows } as const,
    ];
  });
  return {
    name: 'ablations',
    title: 'Ablations',
    parts: [
      text(
        'The preset with one part changed, minus the preset as it is, in points of balanced accuracy with 95 % intervals:',
        'orange and below 0, the part helps; blue and above 0, it hurts. Bold intervals leave 0 out.',
      ),
      ...parts,
    ],
  };
}
