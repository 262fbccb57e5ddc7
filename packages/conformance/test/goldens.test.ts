import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { families, familyOf, type Report, runDirectory } from '../src/index.ts';

const folder = fileURLToPath(new URL('../../../../shared/goldens', import.meta.url));

describe.skipIf(!existsSync(folder))('published golden files (skipped without ../shared/goldens)', () => {
  let report: Report;
  beforeAll(async () => {
    report = await runDirectory(folder);
  });

  test('nothing fails', () => {
    const failed = report.files.flatMap(({ file, cases }) =>
      cases.filter(({ status }) => status === 'failed').map((result) => ({ file, ...result })),
    );
    expect(failed).toEqual([]);
  });

  test('24 of 91 files are mapped, and every mapping has its file', () => {
    const mapped = report.files.filter((file) => file.mapped);
    expect(report.files).toHaveLength(91);
    expect(mapped).toHaveLength(24);
    expect(new Set(mapped.map(({ file }) => familyOf(file)))).toEqual(new Set(families));
  });

  test('the numbers of the README', () => {
    expect(report.totals).toEqual({ passed: 270, failed: 0, 'differs by decision': 5, 'not mapped': 811 });
  });

  test('every case of these files is compared', () => {
    const cases = report.files.filter(({ mapped }) => mapped).flatMap((file) => file.cases);
    expect(cases.filter(({ status }) => status === 'not mapped')).toEqual([]);
  });

  test('no case of these files needs more than the plain tolerance', () => {
    const conditioned = report.files.flatMap(({ cases }) => cases.filter((result) => result.conditioned !== undefined));
    expect(conditioned).toEqual([]);
  });
});
