import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { familyOf, runDirectory } from '../src/index.ts';

const folder = fileURLToPath(new URL('../../../../shared/goldens', import.meta.url));

/** Files of BNPO and of both SPOs: how many cases each records, and which of them differ by decision. */
const files: readonly (readonly [file: string, cases: number, decided: readonly string[]])[] = [
  ['advantages.bnpo', 8, ['groups_of_one']],
  ['advantages.single-stream-spo', 9, []],
  ['advantages.spo-chain', 12, []],
  ['advantages.spo-group', 6, []],
  ['advantages.spo-tree', 17, []],
];

describe.skipIf(!existsSync(folder))(
  'golden files of BNPO and of both SPOs (skipped without ../shared/goldens)',
  () => {
    test.each(files)('%s', async (family, count, decided) => {
      expect(familyOf(`${family}.json`)?.file).toBe(family);
      const report = await runDirectory(folder, family);
      const cases = report.files.filter(({ file }) => file === `${family}.json`).flatMap((file) => file.cases);
      expect(cases).toHaveLength(count);
      const differing = cases
        .filter(({ status }) => status !== 'passed')
        .map(({ name, status, reason }) => ({ name, status, reason }));
      expect(differing).toEqual(
        decided.map((name) => expect.objectContaining({ name, status: 'differs by decision' })),
      );
    });
  },
);
