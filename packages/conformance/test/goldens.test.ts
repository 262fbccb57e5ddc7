import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { conformancePage, families, familyOf, type Report, runDirectory } from '../src/index.ts';

const folder = fileURLToPath(new URL('../../../../shared/goldens', import.meta.url));

describe.skipIf(!existsSync(folder))('published golden files (skipped without ../shared/goldens)', () => {
  let report: Report;
  beforeAll(async () => {
    report = await runDirectory(folder);
  }, 120_000);

  test('nothing fails', () => {
    const failed = report.files.flatMap(({ file, cases }) =>
      cases.filter(({ status }) => status === 'failed').map((result) => ({ file, ...result })),
    );
    expect(failed).toEqual([]);
  });

  test('every file has its mapping, and every mapping its file', () => {
    const mapped = report.files.filter((file) => file.mapped);
    expect(report.files).toHaveLength(91);
    expect(mapped).toHaveLength(91);
    expect(new Set(mapped.map(({ file }) => familyOf(file)))).toEqual(new Set(families));
  });

  test('docs/conformance.md has these numbers', () => {
    const written = readFileSync(new URL('../../../docs/conformance.md', import.meta.url), 'utf8');
    const summary = conformancePage(report).match(/^\*\*.*\*\*$/m)?.[0];
    expect(summary !== undefined && written.includes(summary), 'run `npm run conformance` with --page').toBe(true);
  });

  test('at most 2 % of the cases differ by decision', () => {
    const { totals } = report;
    const all = Object.values(totals).reduce((sum, n) => sum + n, 0);
    expect(totals['differs by decision']).toBeLessThanOrEqual(0.02 * all);
  });

  test('every case is compared', () => {
    const cases = report.files.filter(({ mapped }) => mapped).flatMap((file) => file.cases);
    expect(cases.filter(({ status }) => status === 'not mapped')).toEqual([]);
  });
});
