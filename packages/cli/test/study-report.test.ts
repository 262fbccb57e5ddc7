import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRng } from '@tsrl/core';
import { crossedBootstrap, percentileInterval } from '@tsrl/evaluation';
import { Command } from 'commander';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { addStudyReport } from '../src/commands/study-report.ts';
import { measure, packBits } from '../src/study/cell-result.ts';
import { studyFiles } from '../src/study/study-files.ts';
import { analyse } from '../src/study-report/analysis.ts';
import { balancedAccuracies } from '../src/study-report/balanced-accuracies.ts';
import type { CellResult, Track } from '../src/study-report/cell.ts';
import { mergeMarkdown, piecesOf } from '../src/study-report/merge-markdown.ts';
import { planFor } from '../src/study-report/plan.ts';
import { prose } from '../src/study-report/prose.ts';
import { readStudies } from '../src/study-report/read-study.ts';
import { readResults, writeResults } from '../src/study-report/results-file.ts';
import { rolesOf } from '../src/study-report/roles.ts';
import { summary } from '../src/study-report/sections/summary.ts';
import { studyReport } from '../src/study-report/study-report.ts';
import { targetsOf } from '../src/study-report/targets.ts';
import { balancedAccuracy, cellsOf, pack, type World, wholeStudy, writeStudy } from './study-report-cells.ts';

const root = mkdtempSync(join(tmpdir(), 'tsrl-study-report-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const folder = (...path: string[]): string => join(root, ...path);

/** The track of a world, without a file in between. */
function trackOf(world: World): { track: Track; labels: Record<string, Uint8Array>; cells: CellResult[] } {
  const { labels, cells } = cellsOf(world);
  const datasets = Object.fromEntries(
    Object.entries(labels).map(([set, own]) => [
      set,
      { test: own.length, positives: own.filter((label) => label === 1).length, labels: pack(own) },
    ]),
  );
  const configuration = { damages: world.damages, methods: world.methods };
  const study = { name: world.track, configuration, machine: {}, versions: {} };
  return { track: { name: world.track, studies: [study], datasets, cells, failed: [], suspects: [] }, labels, cells };
}

/** Three methods whose place is known: `stable` is ahead by 6 points of `sft`, and by 2 of `sft-balanced`. */
const small = (random: number, rest: Partial<World> = {}): World => ({
  track: 'frozen',
  sets: { one: { test: 160, train: 1500, positives: 0.3 }, two: { test: 90, train: 600, positives: 0.5 } },
  damages: { none: {}, 'positives-30': { falseNegativeNoise: 0.3 }, 'flip-20': { labelNoise: 0.2 } },
  methods: {
    sft: { method: 'sft' },
    'sft-balanced': { method: 'sft', sampling: 'balanced' },
    stable: { method: 'binary-ppo' },
  },
  seeds: 4,
  truth: (set, damage, method) => {
    const base = set === 'one' ? 0.8 : 0.75;
    return base - (damage === 'none' ? 0 : 0.05) - (method === 'sft' ? 0.06 : method === 'sft-balanced' ? 0.02 : 0);
  },
  random,
  ...rest,
});

const unbits = (base64: string, n: number): number[] => {
  const bytes = Buffer.from(base64, 'base64');
  return Array.from({ length: n }, (_, i) => ((bytes[Math.floor(i / 8)] as number) >> (i % 8)) & 1);
};

describe('statistics', () => {
  test.each([
    { n: 37, seeds: 7 },
    { n: 1500, seeds: 9 },
    { n: 3, seeds: 2 },
  ])('balanced accuracies of $n drawn examples and $seeds seeds are what counting gives', ({ n, seeds }) => {
    const rng = createRng(n);
    const labels = Uint8Array.from({ length: n }, (_, i) => (i === 0 ? 1 : i === 1 ? 0 : Number(rng.uniform() < 0.3)));
    const right = Array.from({ length: 3 }, () =>
      Array.from({ length: seeds }, () => Uint8Array.from(labels, () => Number(rng.uniform() < 0.8))),
    );
    const plain = right.map((perSeed) => (seed: number, examples: Int32Array) => {
      const drawn = Array.from(examples);
      return balancedAccuracy(
        drawn.map((i) => labels[i] as number),
        drawn.map((i) => perSeed[seed]?.[i] as number),
      );
    });
    const design = { seeds, examples: n, strata: labels, replicates: 20 };
    const expected = crossedBootstrap(plain, design, createRng(1)) ?? [];
    const got = crossedBootstrap(balancedAccuracies(labels, right), design, createRng(1)) ?? [];
    for (const [m, { estimate, replicates }] of got.entries()) {
      expect(estimate).toBeCloseTo(expected[m]?.estimate ?? Number.NaN, 12);
      replicates.forEach((value, b) => {
        expect(value).toBeCloseTo(expected[m]?.replicates[b] ?? Number.NaN, 12);
      });
    }
  });

  test('a class without an example does not count', () => {
    const [metric] = balancedAccuracies(Uint8Array.of(1, 1, 1, 1), [[Uint8Array.of(1, 0, 1, 1)]]);
    expect(metric?.(0, Int32Array.of(0, 1, 2, 3))).toBe(0.75);
  });

  test('a paired difference over sets and damages is what plain loops give, and so is every resample', () => {
    const { track, labels, cells } = trackOf(small(3));
    const replicates = 12;
    const analysis = analyse(track, planFor(track), replicates);
    const damages = ['positives-30', 'flip-20'];
    const blocks = damages.flatMap((damage) => ['one', 'two'].map((dataset) => ({ dataset, damage })));
    for (const threshold of ['half', 'chosen'] as const) {
      const { estimate, bootstrap, perSet } = analysis.difference('stable', 'sft', blocks, threshold);
      const bits = (dataset: string, damage: string, method: string, seed: number): number[] => {
        const cell = cells.find(
          (one) => one.dataset === dataset && one.damage === damage && one.method === method && one.seed === seed,
        ) as CellResult;
        return unbits(threshold === 'half' ? cell.right : cell.rightChosen, cell.data.test);
      };
      const meanDifference = (dataset: string, drawnSeeds: number[], drawn: number[]): number[] =>
        damages.map((damage) => {
          const own = drawn.map((i) => labels[dataset]?.[i] as number);
          let total = 0;
          for (const seed of drawnSeeds) {
            for (const [method, sign] of [
              ['stable', 1],
              ['sft', -1],
            ] as const) {
              const answers = bits(dataset, damage, method, seed);
              total +=
                sign *
                balancedAccuracy(
                  own,
                  drawn.map((i) => answers[i] as number),
                );
            }
          }
          return total / drawnSeeds.length;
        });
      const mean = (values: number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
      const asIs = ['one', 'two'].map((set) =>
        meanDifference(set, [0, 1, 2, 3], Array.from(labels[set]?.keys() ?? [])),
      );
      expect(estimate).toBeCloseTo(mean(asIs.flat()), 12);
      expect(perSet.get('two')).toBeCloseTo(mean(asIs[1] as number[]), 12);

      const resampled = ['one', 'two'].map((set) => {
        const truth = labels[set] as Uint8Array;
        const rng = createRng(0).fork(`frozen/${set}`);
        return Array.from({ length: replicates }, () => {
          const drawnSeeds = Array.from({ length: 4 }, () => Math.floor(4 * rng.uniform()));
          const drawn = Array.from(truth, (label) => {
            const alike = Array.from(truth.keys()).filter((i) => truth[i] === label);
            return alike[Math.floor(alike.length * rng.uniform())] as number;
          });
          return meanDifference(set, drawnSeeds, drawn);
        });
      });
      bootstrap.replicates.forEach((value, b) => {
        expect(value).toBeCloseTo(mean(resampled.flatMap((of) => of[b] as number[])), 12);
      });
    }
  });

  test('a method against itself is exactly 0', () => {
    const { track } = trackOf(small(4));
    const analysis = analyse(track, planFor(track), 50);
    const { estimate, interval, pValue } = analysis.difference('sft', 'sft', analysis.blocks('clean'));
    expect([estimate, interval, pValue]).toEqual([0, { lower: 0, upper: 0 }, 1]);
    expect(analysis.improvement('sft', 'sft', analysis.blocks('clean')).estimate).toBe(0.5);
  });

  // 1,000 worlds gave 98.7 % for the paired difference and 96.7 % for the mean: on the wide side, because the bootstrap
  // of seeds and texts counts three times what is neither of the two (see `crossedBootstrap`).
  test('95 % intervals hold about as often as they say', () => {
    const worlds = 100;
    const held = { difference: 0, mean: 0 };
    for (let random = 0; random < worlds; random++) {
      const { track } = trackOf(small(1000 + random, { damages: { none: {} }, seeds: 5 }));
      const analysis = analyse(track, planFor(track), 200);
      const blocks = analysis.blocks('clean');
      const holds = ({ lower, upper }: { lower: number; upper: number }, truth: number): number =>
        Number(lower <= truth && truth <= upper);
      const { bootstrap } = analysis.difference('stable', 'sft', blocks);
      held.difference += holds(percentileInterval(bootstrap), 0.06);
      held.mean += holds(percentileInterval(analysis.mean('stable', blocks)), 0.775);
    }
    for (const count of Object.values(held)) expect(count / worlds).toBeGreaterThan(0.92);
    expect(held.mean / worlds).toBeLessThan(0.995);
  });
});

describe('who is best', () => {
  const world = { ...wholeStudy(3), random: 11 };
  const shrunk: World = {
    ...world,
    sets: Object.fromEntries(
      Object.entries(world.sets).map(([name, set]) => [name, { ...set, test: Math.min(300, set.test) }]),
    ),
    methods: Object.fromEntries(
      Object.entries(world.methods).filter(([name]) =>
        /^(sft|sft-balanced|gce|tfidf|stable|paper|adaptive|stable-no-clip|reward-prob)$/.test(name),
      ),
    ),
  };
  const { track } = trackOf(shrunk);
  const plan = planFor(track);
  const analysis = analyse(track, plan, 300);
  const roles = rolesOf(analysis);

  test('roles and groups come from the configuration', () => {
    expect(plan.methods.map(({ name, role }) => `${name} ${role}`)).toEqual([
      'stable preset',
      'paper preset',
      'adaptive preset',
      'reward-prob variant',
      'stable-no-clip ablation',
      'sft comparator',
      'sft-balanced comparator',
      'gce comparator',
      'tfidf comparator',
    ]);
    expect(plan.damages.map(({ name, group }) => `${name} ${group}`)).toEqual([
      'none clean',
      'positives-30 one-sided',
      'imbalance-10 one-sided',
      'flip-20 symmetric',
      'flip-40 symmetric',
      'imbalance-10-flip-20 both',
    ]);
    expect([plan.plain, plan.balanced]).toEqual(['sft', 'sft-balanced']);
  });

  test('the planted best preset is found, and its advantage told with its sign', () => {
    expect(roles.best?.name).toBe('adaptive');
    const blocks = analysis.learnable(analysis.blocks('one-sided'));
    // What was planted: kept shares of 0.895 and 0.695 against 0.68 and 0.55 of what is above chance.
    const truth =
      blocks
        .map(({ dataset, damage }) => shrunk.truth(dataset, damage, 'adaptive') - shrunk.truth(dataset, damage, 'sft'))
        .reduce((a, b) => a + b, 0) / blocks.length;
    const { interval, estimate, perSet } = analysis.difference('adaptive', 'sft', blocks);
    expect(interval?.lower).toBeLessThan(truth);
    expect(interval?.upper).toBeGreaterThan(truth);
    expect(Math.abs(estimate - truth)).toBeLessThan(0.015);
    expect([...perSet.values()].filter((one) => one > 0).length).toBeGreaterThan(perSet.size / 2);
    const [headline] = summary(analysis, roles).parts;
    expect(headline).toMatchObject({ kind: 'headline' });
    expect((headline as { text: string }).text).toMatch(
      /`adaptive`\) is \*\*\d\.\d points \[\+\d\.\d,\s\+\d\.\d\] better\*\* than plain/,
    );
  });

  test('only sets count on which some method exceeds 0.6', () => {
    const counted = analysis.learnable(analysis.blocks('none')).map(({ dataset }) => dataset);
    expect(counted).not.toContain('cladder'); // 0.55 at best
    expect(counted).toContain('sms_spam');
    const best = (dataset: string): number =>
      Math.max(
        ...plan.methods.map(
          ({ name }) => analysis.score({ dataset, damage: 'none' }, name)?.bootstrap.half.estimate ?? 0,
        ),
      );
    expect(plan.datasets.filter((set) => best(set) > 0.6)).toEqual(counted);
  });

  test('targets are judged by what was asked', () => {
    const [plain, balanced, symmetric, clean, suspects, ece] = targetsOf(analysis, roles);
    expect(plain?.verdict).toMatch(/aim reached|met/);
    expect(balanced?.verdict).toMatch(/aim reached|met/);
    expect(symmetric?.what).toContain('best comparator of each damage');
    expect(clean?.verdict).not.toBe('not measured');
    expect(suspects?.verdict).toBe('not measured');
    // 11 sets have more than 1,000 examples; one does not.
    const large = track.cells.filter(
      ({ dataset, damage, method }) => dataset !== 'harmful_requests' && damage === 'none' && method === 'adaptive',
    );
    expect(large).toHaveLength(11 * 3);
    const mean = large.reduce((sum, { scaled }) => sum + scaled.ece, 0) / large.length;
    expect(ece).toMatchObject({ verdict: mean > 0.03 ? 'met' : 'aim reached', seen: mean.toFixed(3) });
    expect(ece?.note).toContain('mean over 11 sets');
  });

  test('the verdict follows estimate and interval', () => {
    const verdicts = (advantage: number, spread: number): (string | undefined)[] => {
      const { track: own } = trackOf({
        ...small(21),
        sets: { one: { test: 2000, train: 2000, positives: 0.5 }, two: { test: 2000, train: 2000, positives: 0.5 } },
        spread: { seed: spread, example: 0.5 },
        truth: (_, __, method) => 0.75 + (method === 'stable' ? advantage : 0),
      });
      const of = analyse(own, planFor(own), 200);
      return targetsOf(of, rolesOf(of))
        .slice(0, 4)
        .map(({ verdict }) => verdict);
    };
    expect(verdicts(0.12, 0.01)).toEqual(['aim reached', 'aim reached', 'aim reached', 'aim reached']);
    expect(verdicts(0.055, 0.01).slice(0, 1)).toEqual(['met']);
    expect(verdicts(-0.04, 0.01)).toEqual(['not met', 'not met', 'not met', 'not met']);
  });

  test('more than was asked, but not surely above 0, is not met', () => {
    let seen = 0;
    for (let random = 0; random < 25; random++) {
      const { track: own } = trackOf({
        ...small(random),
        sets: { one: { test: 40, train: 2000, positives: 0.5 } },
        truth: (_, __, method) => 0.75 + (method === 'stable' ? 0.06 : 0),
      });
      const of = analyse(own, planFor(own), 100);
      const { estimate, interval } = of.difference('stable', 'sft', of.learnable(of.blocks('one-sided')));
      if (estimate < 0.04 || interval === null || interval.lower > 0) continue;
      expect(targetsOf(of, rolesOf(of))[0]?.verdict).toBe('not met');
      seen += 1;
    }
    expect(seen).toBeGreaterThan(2);
  });

  test('suspects are judged by the worst list', () => {
    const list = { damage: 'flips-20', seed: 0, listed: 100 };
    const suspects = [
      { ...list, dataset: 'sms_spam@minilm', flipped: 97 },
      { ...list, dataset: 'jailbreak_prompts', flipped: 79 },
      // Not what the target is about, and a list with nothing on it.
      { ...list, dataset: 'moderation', flipped: 10 },
      { ...list, dataset: 'sms_spam', damage: 'flips-40', flipped: 10 },
      { ...list, dataset: 'sms_spam', listed: 0, flipped: 0 },
    ];
    const of = analyse({ ...track, suspects }, plan, 10);
    expect(targetsOf(of, roles)[4]).toMatchObject({ verdict: 'not met', seen: '0.88' });
  });
});

describe('cells that are not there', () => {
  test('a failed run counts as 0.5, and a method without all seeds is in no comparison', () => {
    const { track } = trackOf(small(5));
    const key = { track: 'frozen', dataset: 'one', damage: 'none', method: 'stable', seed: 2 };
    const is = (cell: CellResult, method: string): boolean =>
      cell.dataset === 'one' && cell.damage === 'none' && cell.seed === 2 && cell.method === method;
    const before = analyse(track, planFor(track), 20).score({ dataset: 'one', damage: 'none' }, 'stable');
    const broken = {
      ...track,
      cells: track.cells.filter((cell) => !is(cell, 'stable') && !is(cell, 'sft')),
      failed: [{ ...key, error: 'the loss is not finite' }],
    };
    const analysis = analyse(broken, planFor(broken), 20);
    const after = analysis.score({ dataset: 'one', damage: 'none' }, 'stable');
    const expected = (before?.perSeed.half ?? []).map((score, seed) => (seed === 2 ? 0.5 : score));
    expect(after?.perSeed.half).toEqual(expected);
    expect(after?.bootstrap.half.estimate).toBeCloseTo(expected.reduce((a, b) => a + b, 0) / 4, 5);
    expect(analysis.score({ dataset: 'one', damage: 'none' }, 'sft')).toBeUndefined();
    expect(analysis.blocks('none', ['stable', 'sft'])).toEqual([{ dataset: 'two', damage: 'none' }]);
    writeStudy(folder('broken'), small(5), { labels: cellsOf(small(5)).labels, cells: broken.cells });
    writeFileSync(
      folder('broken/cells/one/none/stable/2.failed.json'),
      JSON.stringify({ ...key, inputs: {}, error: 'the loss is | not\nfinite' }),
    );
    writeFileSync(
      folder('broken/cells/one/none/stable/9.failed.json'),
      JSON.stringify({ ...key, seed: 9, inputs: {}, error: 'another reason' }),
    );
    studyReport({ studies: [folder('broken')], evidence: folder('broken-docs/evidence'), replicates: 20 });
    const page = readFileSync(folder('broken-docs/evidence.md'), 'utf8');
    expect(page).toContain('2 of 72 runs failed.');
    expect(page).toContain('| `one/none/stable` | 2, 9 | the loss is / not finite |');
    expect(page).toContain('`one/none/sft`');
    expect(page).toContain('| `method` | sft |');
    expect(page).toContain('| `stable` | method binary-ppo |');
    expect(page).toContain('| `sft` | none |');
  });

  test('one seed: the intervals speak of the test examples alone', () => {
    const { track } = trackOf(small(6, { seeds: 1 }));
    const analysis = analyse(track, planFor(track), 50);
    expect(analysis.difference('stable', 'sft', analysis.blocks('clean')).interval).not.toBeNull();
    expect(analysis.interquartile('stable', analysis.blocks('clean')).interval).toBeNull();
  });

  test.each([
    {
      name: 'right answers that do not fit',
      change: (cell: CellResult) => ({
        ...cell,
        half: { ...cell.half, balancedAccuracy: cell.half.balancedAccuracy - 0.1 },
      }),
      says: 'the right answers (half) give a balanced accuracy of',
    },
    { name: 'bits of another test set', change: (cell: CellResult) => ({ ...cell, right: 'AAAA' }), says: 'bits are' },
  ])('$name: an error', ({ change, says }) => {
    const { track } = trackOf(small(7));
    const cells = track.cells.map((cell, i) => (i === 5 ? change(cell) : cell));
    expect(() => analyse({ ...track, cells }, planFor(track), 5)).toThrow(says);
  });

  test('a damage that nothing tells of: an error that says what to write', () => {
    const { track } = trackOf(small(7));
    const cells = track.cells.map((cell) => ({ ...cell, damage: 'bruised' }));
    expect(() => planFor({ ...track, cells })).toThrow(
      'plan.json: nothing tells what the damage bruised does: give it a group (clean, one-sided, symmetric, both) under "damages"',
    );
    expect(planFor({ ...track, cells }, { damages: { bruised: { group: 'one-sided' } } }).damages[0]?.group).toBe(
      'one-sided',
    );
  });
});

describe('files', () => {
  const world = small(8);
  const evidence = folder('docs/evidence');
  const files = (directory: string): Record<string, string> =>
    Object.fromEntries(readdirSync(directory).map((name) => [name, readFileSync(join(directory, name), 'utf8')]));

  test('cells and the compact file are the same to six digits', () => {
    const { track } = trackOf(world);
    const again = readResults(writeResults(track), 'results.jsonl');
    expect(again.cells).toHaveLength(track.cells.length);
    for (const [i, cell] of again.cells.entries()) {
      const { half, curve, scaled, seconds, chosen, ...exact } = cell;
      const source = track.cells.find(
        (one) =>
          one.dataset === cell.dataset &&
          one.damage === cell.damage &&
          one.method === cell.method &&
          one.seed === cell.seed,
      ) as CellResult;
      expect(source, `${i}`).toMatchObject(exact);
      for (const [name, value] of Object.entries(half)) {
        expect(value).toBeCloseTo(source.half[name as keyof typeof half] as number, 5);
      }
      expect(chosen.threshold).toBeCloseTo(source.chosen.threshold, 5);
      expect(scaled.ece).toBeCloseTo(source.scaled.ece, 6);
      expect(seconds).toBeCloseTo(source.seconds, 3);
      expect(curve.map(({ step }) => step)).toEqual(source.curve.map(({ step }) => step));
      expect(curve.at(-1)?.balancedAccuracy).toBeCloseTo(source.curve.at(-1)?.balancedAccuracy ?? 0, 4);
    }
    expect(writeResults(again)).toBe(writeResults(readResults(writeResults(again), 'results.jsonl')));
  });

  test('the page is made again from its own numbers, and what people wrote stays', () => {
    writeStudy(folder('study'), world);
    studyReport({ studies: [folder('study')], evidence, replicates: 60 });
    const page = readFileSync(folder('docs/evidence.md'), 'utf8');
    const made = files(evidence);
    const mine = 'We wanted to know **whether** a < b, see [the spec](spec.md).';
    const edited = page
      .replace('## Targets', `## What we wanted to reach\n\n${mine}`)
      .replace(/(<!-- begin frozen-summary[^>]*-->)[\s\S]*?(<!-- end)/, '$1\nsomebody wrote in here\n$2');
    writeFileSync(folder('docs/evidence.md'), edited);
    rmSync(folder('study'), { recursive: true });
    studyReport({ evidence, replicates: 60 });
    const again = readFileSync(folder('docs/evidence.md'), 'utf8');
    expect(again).toBe(page.replace('## Targets', `## What we wanted to reach\n\n${mine}`));
    expect(files(evidence)).toEqual(made);
    const html = readFileSync(folder('docs/evidence.html'), 'utf8');
    expect(html).toContain('<p>We wanted to know <b>whether</b> a &lt; b, see <a href="spec.md">the spec</a>.</p>');
    expect(html).toContain('<h2>What we wanted to reach</h2>');
  });

  test('the HTML needs nothing else, and every plot says what it shows', () => {
    const html = readFileSync(folder('docs/evidence.html'), 'utf8');
    expect(html).toContain("default-src 'none'");
    expect(html).not.toMatch(/<script|<link|<img|url\(|(src|href)="https?:/);
    const plots = html.match(/<svg [^>]*>/g) ?? [];
    expect(plots.length).toBeGreaterThan(5);
    for (const plot of plots) expect(plot).toMatch(/role="img" aria-label="[^"]{20,}"/);
    for (const tag of ['table', 'tr', 'td', 'th', 'details', 'section', 'figure', 'svg', 'p', 'div']) {
      const opened = html.match(new RegExp(`<${tag}[ >]`, 'g'))?.length ?? 0;
      expect(html.match(new RegExp(`</${tag}>`, 'g'))?.length ?? 0, tag).toBe(opened);
    }
  });

  test('every link of the Markdown leads to a file', () => {
    const page = readFileSync(folder('docs/evidence.md'), 'utf8');
    const targets = [...page.matchAll(/\]\((evidence\/[^)]+)\)/g)].map((match) => match[1] as string);
    expect(targets.length).toBeGreaterThan(5);
    for (const target of targets) expect(existsSync(folder('docs', target)), target).toBe(true);
    const drawing = readFileSync(folder('docs', targets.find((target) => target.endsWith('.svg')) ?? ''), 'utf8');
    expect(drawing).toMatch(
      /^<svg xmlns="http:\/\/www.w3.org\/2000\/svg" color="#1b1f24" role="img" aria-label="[^"]+" viewBox="-12 -12 504 \d+" width="504" height="\d+"><rect x="-12" y="-12" width="504" height="\d+" fill="#fff"\/>/,
    );
  });

  test('plan.json gives names, order and the title', () => {
    const plan = {
      title: 'What we saw',
      methods: { sft: { label: 'plain SFT', role: 'comparator' }, stable: { label: 'ours' } },
      damages: { 'flip-20': { label: '20 % flips' } },
    };
    writeStudy(folder('study'), world);
    studyReport({ studies: [folder('study')], evidence: folder('named/evidence'), replicates: 20 });
    writeFileSync(folder('named/evidence/plan.json'), JSON.stringify(plan));
    rmSync(folder('named/evidence.md'));
    studyReport({ evidence: folder('named/evidence'), replicates: 20 });
    const page = readFileSync(folder('named/evidence.md'), 'utf8');
    expect(page).toMatch(/^# What we saw\n/);
    expect(page).toMatch(
      /\| method \| 20 % flips \| clean \| 30\s% of positives flipped \|\n\|[- :|]+\n\| `plain SFT` \(comparator\).*\n\| `ours` \(preset\)/,
    );
  });

  test('studies that do not go together are refused', () => {
    writeStudy(folder('study'), world);
    writeStudy(folder('other'), small(9));
    const twice = folder('study/cells/one/flip-20/sft-balanced/0');
    expect(() => readStudies([folder('study'), folder('study')])).toThrow(
      `${twice}: another study has this cell already`,
    );
    const header = JSON.parse(readFileSync(folder('other/study.json'), 'utf8')) as {
      datasets: { one: { labels: string } };
    };
    header.datasets.one.labels = pack(new Uint8Array(160));
    writeFileSync(folder('other/study.json'), JSON.stringify(header));
    expect(() => readStudies([folder('study'), folder('other')])).toThrow(
      'one is another test set than in the other studies',
    );
    expect(() => readStudies([folder('nowhere')])).toThrow('nowhere/study.json: must be a JSON file');
    expect(() => studyReport({ evidence: folder('empty/evidence') })).toThrow('has no results-TRACK.jsonl');
    expect(existsSync(folder('empty'))).toBe(false);
    expect(() => readResults('{"a":1}\n', 'x.jsonl')).toThrow(
      'x.jsonl:1: must begin with a line of format tsrl-study-results-1',
    );
    expect(() => readResults('{', 'x.jsonl')).toThrow('x.jsonl:1: is no JSON');
  });

  test('the command', async () => {
    const run = async (...args: string[]): Promise<string> => {
      const program = new Command().exitOverride();
      addStudyReport(program);
      const written = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
      try {
        await program.parseAsync(['node', 'tsrl', 'study-report', ...args]);
        return written.mock.calls.map(([text]) => String(text)).join('');
      } finally {
        written.mockRestore();
      }
    };
    writeStudy(folder('study'), small(10, { seeds: 2 }));
    const said = await run(folder('study'), '--out', folder('by-command/evidence'));
    expect(said).toContain(`${folder('by-command/evidence.md')}\n`);
    expect(said).toMatch(/and \d+ plots\n$/);
    expect(await run('--from', folder('by-command/evidence'))).toContain('evidence.html');
    await expect(run()).rejects.toThrow('tsrl study-report: studies must be one directory or more, or --from DIR; got');
    await expect(run('a', '--from', 'b')).rejects.toThrow('--from must be without study directories');
  });
});

test('what a study writes is what the report reads', async () => {
  const rng = createRng(4);
  const out = folder('real');
  const files = studyFiles(out);
  const labels = Float64Array.from({ length: 45 }, (_, i) => Number(i % 3 === 0));
  const scored = () => ({ logits: labels.map((label) => 2 * label - 1 + rng.normal()), labels });
  for (const method of ['sft', 'ours']) {
    for (const seed of [0, 1]) {
      const place = { track: 'frozen', dataset: 'tiny', damage: 'none', method, seed };
      if (method === 'ours' && seed === 1) {
        await files.writeCell({ ...place, inputs: {}, error: 'no more memory' });
        continue;
      }
      await files.writeCell({
        ...place,
        inputs: {},
        tuned: {},
        settings: { method: method === 'sft' ? 'sft' : 'binary-ppo' },
        steps: 1,
        seconds: 1,
        data: { train: 40, positives: 13, flipped: 0, validation: 5, test: 45 },
        ...measure(scored(), scored()),
        curve: [],
      });
    }
  }
  await files.writeHeader({
    name: 'frozen',
    configuration: { damages: { none: {} }, methods: { sft: { method: 'sft' }, ours: { method: 'binary-ppo' } } },
    machine: {},
    versions: {},
    datasets: { tiny: { test: 45, positives: 15, labels: packBits(Array.from(labels, (label) => label === 1)) } },
  });
  studyReport({ studies: [out], evidence: folder('real-docs/evidence'), replicates: 20 });
  const page = readFileSync(folder('real-docs/evidence.md'), 'utf8');
  expect(page).toContain('1 of 4 runs failed.');
  expect(page).toMatch(/\| `ours` \(preset\) \| \*{0,2}\d\d\.\d/);
});

test('a second track stands behind the main one, under its own name; one under way has fewer seeds in places', () => {
  writeStudy(folder('a'), small(30));
  const { labels, cells } = cellsOf({ ...small(31), track: 'fine-tuning' });
  const begun = cells.filter(({ dataset, seed }) => dataset === 'one' || seed < 2);
  writeStudy(folder('b'), { ...small(31), track: 'fine-tuning' }, { labels, cells: begun });
  studyReport({ studies: [folder('b')], evidence: folder('two/evidence'), replicates: 20 });
  studyReport({ studies: [folder('a')], evidence: folder('two/evidence'), replicates: 20 });
  const page = readFileSync(folder('two/evidence.md'), 'utf8');
  const names = piecesOf(page).flatMap((piece) => ('name' in piece ? [piece.name] : []));
  expect(names.filter((name) => name.endsWith('-summary'))).toEqual(['fine-tuning-summary', 'frozen-summary']);
  expect(page).toContain(
    'fine-tuning-targets: made by npm run study:report, do not edit -->\n\n*This part is no longer made',
  );
  // The page had begun with the other track, and its order is the writer's; a fresh page begins with the main one.
  rmSync(folder('two/evidence.md'));
  const commands = { frozen: 'first this', 'fine-tuning': 'then that' };
  writeFileSync(folder('two/evidence/plan.json'), JSON.stringify({ commands }));
  studyReport({ evidence: folder('two/evidence'), replicates: 20 });
  const fresh = readFileSync(folder('two/evidence.md'), 'utf8');
  const order = piecesOf(fresh).flatMap((piece) => ('name' in piece ? [piece.name] : []));
  expect(order[0]).toBe('frozen-summary');
  const [first, second] = ['Made by `first this`', 'Made by `then that`'].map((made) => fresh.indexOf(made)) as [
    number,
    number,
  ];
  expect(first).toBeGreaterThan(fresh.indexOf('frozen-settings'));
  expect(second).toBeGreaterThan(fresh.indexOf('fine-tuning-settings'));
  expect(order.filter((name) => name.endsWith('-targets'))).toEqual(['frozen-targets']);
  expect(fresh).toContain('## fine-tuning: paired differences');
});

describe('the page between people and program', () => {
  const part = (name: string, markdown: string) => ({ name, title: name.toUpperCase(), markdown });

  test('a new part comes after its predecessor, and one that is no longer made says so', () => {
    const first = mergeMarkdown('', 'Title', [part('a', '1'), part('c', '3')]);
    const edited = `${first.replace('## C', 'between\n\n## C')}\nlast words\n`;
    const second = mergeMarkdown(edited, 'Title', [part('a', 'one'), part('b', '2')]);
    const pieces = piecesOf(second).map((piece) =>
      'prose' in piece ? piece.prose.trim() : `${piece.name}=${piece.markdown}`,
    );
    expect(pieces).toEqual([
      '# Title\n\n## A',
      'a=one',
      '## B',
      'b=2',
      'between\n\n## C',
      'c=*This part is no longer made; delete it with its markers.*',
      'last words',
    ]);
    expect(mergeMarkdown(second, 'Title', [part('a', 'one'), part('b', '2')])).toBe(second);
  });

  test('an order that the writer chose stays', () => {
    const parts = [part('a', '1'), part('b', '2')];
    const swapped = mergeMarkdown('', 'T', [part('b', '2'), part('a', '1')]);
    expect(mergeMarkdown(swapped, 'T', parts)).toBe(swapped);
  });

  test('prose', () => {
    const markdown = [
      '### Head & tail',
      'A *word*, **bold `x<1`**.',
      'Same paragraph.',
      '',
      '- one',
      '  more',
      '- two',
      '',
      '1. first',
      '',
      '> said',
      '',
      '| a | b |',
      '| --- | ---: |',
      '| 1 | `2` |',
      '```sh',
      'npm run <x>',
      '```',
      '<!-- not seen -->',
    ].join('\n');
    const html = prose(markdown)
      .map((piece) => piece.html)
      .join('')
      .replaceAll('\n', '');
    expect(html).toBe(
      '<h3>Head &amp; tail</h3><p>A <i>word</i>, <b>bold <code>x&lt;1</code></b>. Same paragraph.</p>' +
        '<ul><li>one more</li><li>two</li></ul><ol><li>first</li></ol><blockquote><p>said</p></blockquote>' +
        '<div class="wide"><table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td><code>2</code></td></tr></tbody></table></div>' +
        '<pre>npm run &lt;x&gt;</pre>',
    );
  });
});
