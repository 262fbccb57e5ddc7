import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { familyOf, runDirectory } from '../src/index.ts';

const folder = fileURLToPath(new URL('../../../../shared/goldens', import.meta.url));

/** Files of estimators over groups, and how many cases each records. */
const files: Readonly<Record<string, number>> = {
  'advantages.gpg': 14,
  'advantages.grpo': 14,
  'advantages.grpo-passk': 14,
  'advantages.grpo-vectorized': 16,
  'advantages.minillm': 3,
  'advantages.openrlhf': 6,
  'advantages.opo': 7,
  'advantages.prime-rloo': 3,
  'advantages.reinforce-plus-plus': 12,
  'advantages.reinforce-plus-plus-baseline': 7,
  'advantages.remax': 7,
  'advantages.rloo': 7,
  'advantages.rloo-vectorized': 7,
  'advantages.trl-grpo': 7,
  'advantages.trl-rloo': 5,
  'group-stats.verl': 7,
  'reweighting.pf-ppo': 3,
};

describe.skipIf(!existsSync(folder))(
  'golden files of estimators over groups (skipped without ../shared/goldens)',
  () => {
    test.each(Object.keys(files))('%s', async (family) => {
      expect(familyOf(`${family}.json`)?.file).toBe(family);
      const report = await runDirectory(folder, family);
      const own = report.files.filter(({ file }) => file === `${family}.json`);
      const cases = own.flatMap((file) => file.cases);
      const differing = cases.filter(({ status }) => status !== 'passed').map(({ name, status }) => ({ name, status }));
      const decided = family === 'advantages.reinforce-plus-plus' ? ['all_equal_g1.0'] : [];
      expect(differing).toEqual(decided.map((name) => ({ name, status: 'differs by decision' })));
      expect(cases).toHaveLength(files[family] as number);
    });
  },
);
