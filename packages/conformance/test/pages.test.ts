import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { estimators } from '@tsrl/advantages/registry';
import { losses } from '@tsrl/losses/registry';
import { confidenceRewards, rewards } from '@tsrl/rewards/registry';
import { verifiers } from '@tsrl/verifiers/registry';
import { describe, expect, test } from 'vitest';
import { algorithmsPage, page } from '../../../scripts/algorithms.mjs';
import { conformancePage } from '../src/index.ts';

const registries = { estimators, losses, confidenceRewards, rewards, verifiers };

describe('docs/algorithms.md', () => {
  test('is what `npm run docs` writes', () => {
    expect(algorithmsPage(registries) === readFileSync(page, 'utf8'), 'run `npm run docs`').toBe(true);
  });

  test('has a row for every entry, with a link to a file and a paper', () => {
    const text = algorithmsPage(registries);
    const entries = [
      ...estimators,
      ...losses,
      ...[confidenceRewards, rewards, verifiers].flatMap((by) => Object.values(by)),
    ];
    for (const { name } of entries) {
      const row = text.split('\n').find((line) => line.startsWith(`| [\`${name}\`]`));
      expect(row, name).toBeDefined();
      const file = row?.match(/\]\(\.\.\/(packages\/[^)]+)\)/)?.[1] ?? '';
      expect(existsSync(fileURLToPath(new URL(`../../../${file}`, import.meta.url))), `${name}: ${file}`).toBe(true);
    }
  });
});

describe('docs/conformance.md', () => {
  test('says what passed, what differs and why, and what float32 cannot do better', () => {
    const decided = { name: 'odd', status: 'differs by decision', decision: 'no-variance', reason: 'because' } as const;
    const conditioned = { name: 'huge', status: 'passed', conditioned: 12.345 } as const;
    const counts = { passed: 1, failed: 0, 'differs by decision': 1, 'not mapped': 0 };
    const text = conformancePage({
      files: [{ file: 'masked-stats.verl.json', mapped: true, counts, cases: [decided, conditioned] }],
      totals: counts,
    });
    expect(text).toContain('**2 cases of 1 files: 1 pass, 0 fail, 1 (50.0 %) differ by decision, 0 are not mapped.**');
    expect(text).toMatch(/^\| no-variance \| .* \| `masked-stats\.verl` odd \|$/m);
    expect(text).toContain('| `masked-stats.verl` huge | 12.3 |');
    expect(text).toContain('| `masked-stats.verl` | 1 | · | 1 | · |');
  });
});
