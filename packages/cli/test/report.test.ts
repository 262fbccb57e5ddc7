import { createRng, type Json, OptionError } from '@tsrl/core';
import { binaryMetrics } from '@tsrl/evaluation';
import type { Evaluation } from '@tsrl/training';
import { describe, expect, it } from 'vitest';
import { count, duration, metric, percent, pValue } from '../src/report/format.ts';
import { html } from '../src/report/html.ts';
import { renderReport } from '../src/report/index.ts';
import { balancedAccuracyInterval } from '../src/report/interval.ts';
import type { ReportInput, ReportRun } from '../src/result.ts';

interface Fake {
  method?: 'binary-ppo' | 'sft';
  seed?: number;
  labels?: readonly number[];
  /** How far apart the logits of the classes are. */
  skill?: number;
  evaluations?: number;
  validated?: boolean;
  configuration?: Json;
}

const balanced = Array.from({ length: 200 }, (_, i) => (i % 5 < 2 ? 1 : 0));

function run({
  method = 'binary-ppo',
  seed = 1,
  labels = balanced,
  skill = 3,
  evaluations = 6,
  validated = true,
  configuration = { method, seed, optimizer: { name: 'adamw', betas: [0.9, 0.999] } },
}: Fake = {}): ReportRun {
  const rng = createRng(seed);
  const logitsAt = (strength: number): number[] => labels.map((y) => strength * (y - 0.5) + rng.normal());
  const history = Array.from({ length: evaluations }, (_, k): Evaluation => {
    const logits = logitsAt((skill * (k + 1)) / evaluations);
    return {
      refresh: k + 1,
      epoch: 1,
      step: 10 * (k + 1),
      tokens: 1000 * (k + 1),
      train: { loss: 1 / (k + 1) },
      validation: validated ? binaryMetrics({ logits, labels }) : null,
      best: k === 2,
    };
  });
  const logits = logitsAt(skill);
  const metrics = binaryMetrics({ logits, labels });
  const size = { examples: metrics.n, positives: metrics.positives };
  return {
    result: {
      method,
      seed,
      configuration,
      data: { train: { ...size, flippedLabels: 17 }, validation: size, test: size },
      model: { parameters: 12345, trainable: 12345 },
      metrics,
      temperature: 1,
      steps: 60,
      stopped: 'patience',
      bestStep: 30,
      seconds: 12.34,
      tokens: 6000,
      tokensPerSecond: 486.2,
      versions: { tsrl: '0.1.0', node: '20.20.2' },
      backend: 'wasm',
    },
    history,
    test: { logits, labels },
  };
}

const input = (runs: readonly ReportRun[], rest: Partial<ReportInput> = {}): ReportInput => ({
  title: 'A title',
  summary: 'A summary.',
  runs,
  ...rest,
});

const svgs = (page: string): string[] => page.match(/<svg\b[\s\S]*?<\/svg>/g) ?? [];
const text = (page: string): string =>
  page
    .replace(/<style>[\s\S]*?<\/style>/g, '')
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ');
const titles = (page: string): string[] =>
  [...page.matchAll(/<figcaption><b>(.*?)\.<\/b>/g)].map(([, title]) => title ?? '');

/** Every tag closed in its order; a page that a browser would have to repair fails. */
function expectBalanced(page: string): void {
  const open: string[] = [];
  for (const [, closing, name = '', selfClosing] of page.matchAll(
    /<(\/?)([a-z][a-z0-9]*)(?:"[^"]*"|[^>"])*?(\/?)>/gi,
  )) {
    if (name === 'meta' || selfClosing) continue;
    if (closing) expect(open.pop()).toBe(name);
    else open.push(name);
  }
  expect(open).toEqual([]);
}

/** What holds for the page of any input. */
function expectSound(page: string): void {
  expectBalanced(page);
  for (const svg of svgs(page)) {
    expect(svg).not.toMatch(/NaN|undefined|Infinity|null/);
    expect(svg).toMatch(/^<svg role="img" aria-label="[^"]+" viewBox="0 0 \d+ \d+">/);
    expect(svg).toMatch(/<text\b[^>]*>[^<]+<\/text>/);
  }
  const drawn = page.replaceAll(/ xmlns(:\w+)?="[^"]*"/g, '');
  expect(drawn).not.toMatch(/https?:|url\(|@import|<script|<link|<img|<iframe|\bsrc=|\bhref=/i);
  expect(page.match(/<figure>/g)?.length).toBe(page.match(/<figcaption>/g)?.length);
  const ids = [...page.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id);
  expect(new Set(ids).size).toBe(ids.length);
  expect(page).not.toMatch(/\bzr\d/);
}

const ceiling = { accuracy: 0.9711, balancedAccuracy: 0.9722, f1: 0.9733, auroc: 0.9955 };

describe('renderReport', () => {
  it('says the result first, then draws, then tabulates', () => {
    const one = run();
    const page = renderReport(input([one]));
    expectSound(page);
    const { balancedAccuracy, auroc } = one.result.metrics;
    expect(page).toContain(
      `<p class="headline">binary-ppo reached balanced accuracy ${balancedAccuracy.toFixed(3)} and AUROC ${auroc?.toFixed(3)} on 200\u00a0test texts.</p>`,
    );
    expect(titles(page)).toEqual([
      'Validation balanced accuracy',
      'Validation AUROC',
      'Validation loss',
      'Training loss',
      'ROC curve',
      'Reliability diagram',
      'Confusion matrix',
    ]);
    expect(svgs(page)).toHaveLength(6);
    expect([...page.matchAll(/<h2>(.*?)<\/h2>/g)].map(([, heading]) => heading)).toEqual([
      'Training',
      'Test',
      'All test metrics',
      'Data',
      'Training and cost',
      'Configuration',
      'Versions and machine',
    ]);
    const words = text(page);
    for (const [[tn, fp], [fn, tp]] of [one.result.metrics.confusion]) {
      expect(words).toMatch(new RegExp(`class 0 120 ${tn} [\\d.]+\u202f?\\s?% ${fp} `));
      expect(words).toMatch(new RegExp(`class 1 80 ${fn} [\\d.]+\u202f?\\s?% ${tp} `));
    }
    expect(words).toContain('80 of class 1 (40.0 %)');
    expect(words).toContain('validation no longer improved');
    expect(words).toContain('betas 0.9, 0.999');
    expect(words).toContain('The ring marks the weights that were kept.');
    expect(words).not.toContain('Bayes-optimal');
    expect(words).not.toContain('McNemar');
  });

  it('gives the same bytes for the same input, also after other plots were drawn', () => {
    const again = (): string => renderReport(input([run(), run({ method: 'sft' })], { ceiling }));
    const first = again();
    renderReport(input([run({ evaluations: 3 })]));
    expect(again()).toBe(first);
  });

  it('escapes whatever it is given', () => {
    const hostile = `</title><script>alert("1")</script>'&`;
    const escaped = '&lt;/title&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&#39;&amp;';
    const one = run({ configuration: { [hostile]: hostile, nested: { [hostile]: [hostile] } } });
    const result = { ...one.result, versions: { [hostile]: hostile }, backend: hostile, method: hostile as 'sft' };
    const page = renderReport(input([{ ...one, result }], { title: hostile, summary: hostile }));
    expectBalanced(page);
    expect(page).not.toMatch(/<script/i);
    expect(page).toContain(`<title>${escaped}</title>`);
    expect(page).toContain(`<h1>${escaped}</h1>`);
    expect(page).toContain(`aria-label="ROC curve. ${escaped}`);
    expect(page).toContain(`<th scope="row">${escaped}</th><td colspan="1">${escaped}</td>`);
  });

  it('compares runs with each other and with the best possible', () => {
    const runs = [run(), run({ method: 'sft', seed: 2, skill: 1 })];
    const page = renderReport(input(runs, { ceiling }));
    expectSound(page);
    const words = text(page);
    const shown = runs.map(({ result }) => metric(result.metrics.balancedAccuracy));
    expect(words).toContain(`; sft ${shown[1]} and `);
    expect(words).toMatch(
      new RegExp(`balanced accuracy ↑ mean of sensitivity and specificity ${shown[0]} ${shown[1]} 0.500 0.972`),
    );
    expect(words).toContain('The best possible classifier (Bayes-optimal) has AUROC 0.996.');
    expect(words).toContain('compare the shapes, not the heights');
    expect(page).toContain('<td><b>binary-ppo</b></td><td><b>sft</b></td>');
    expect(page).toContain('<th scope="row">name</th><td colspan="2">adamw</td>');
    for (const svg of svgs(page))
      for (const name of ['binary-ppo', 'sft']) expect(svg).toMatch(new RegExp(`<text[^>]*>${name}`));

    const right = ({ test }: ReportRun): boolean[] =>
      Array.from(test.labels, (y, i) => (test.logits[i] as number) >= 0 === (y === 1));
    const [a = [], b = []] = runs.map(right);
    const onlyA = a.filter((ok, i) => ok && !b[i]).length;
    const onlyB = b.filter((ok, i) => ok && !a[i]).length;
    expect(words).toContain(`sft ${onlyA} ${onlyB} ${percent(onlyA + onlyB, 200).replace('\u202f', ' ')}`);
  });

  it('tells runs of one method apart by seed, and by place', () => {
    const two = renderReport(input([run({ seed: 1 }), run({ seed: 2 })]));
    expect(text(two)).toContain('binary-ppo, seed 1 reached');
    expect(two).not.toContain('compare the shapes');
    const same = renderReport(input([run(), run()]));
    expect(text(same)).toContain('binary-ppo, seed 1, run 2');
    expect(text(same)).toContain('McNemar p binary-ppo, seed 1, run 2 0 0 0.0 % 1.000');
  });

  it('summarises many runs by their range', () => {
    const runs = [1, 2, 3, 4, 5, 6, 7].map((seed) => run({ seed, skill: seed / 2 }));
    const page = renderReport(input(runs));
    expectSound(page);
    const [worst, best] = [runs[0], runs[6]].map((one) => metric(one?.result.metrics.balancedAccuracy ?? null));
    expect(text(page)).toContain(
      `7 runs on 200\u00a0test texts reached balanced accuracy from ${worst} (binary-ppo, seed 1) to ${best} (binary-ppo, seed 7)`.replace(
        '\u00a0',
        ' ',
      ),
    );
  });

  it.each([
    ['no validation', { validated: false }, ['Training loss']],
    [
      'a single evaluation',
      { evaluations: 1 },
      ['Validation balanced accuracy', 'Validation AUROC', 'Validation loss', 'Training loss'],
    ],
    ['no evaluation', { evaluations: 0 }, []],
    [
      'many evaluations',
      { evaluations: 60 },
      ['Validation balanced accuracy', 'Validation AUROC', 'Validation loss', 'Training loss'],
    ],
    [
      'a perfect classifier',
      { skill: 100 },
      ['Validation balanced accuracy', 'Validation AUROC', 'Validation loss', 'Training loss'],
    ],
    [
      'a classifier that is always wrong',
      { skill: -100 },
      ['Validation balanced accuracy', 'Validation AUROC', 'Validation loss', 'Training loss'],
    ],
    [
      'one positive',
      { labels: [0, 0, 0, 1, 0, 0] },
      ['Validation balanced accuracy', 'Validation AUROC', 'Validation loss', 'Training loss'],
    ],
  ] as [string, Fake, string[]][])('renders with %s', (_, fake, expected) => {
    const page = renderReport(input([run(fake)]));
    expectSound(page);
    expect(titles(page)).toEqual([...expected, 'ROC curve', 'Reliability diagram', 'Confusion matrix']);
    expect(page.includes('<h2>Training</h2>')).toBe(expected.length > 0);
  });

  it.each([
    ['no positive', [0, 0, 0, 0]],
    ['positives only', [1, 1, 1]],
    ['a single text', [0]],
  ])('says what is undefined with %s', (_, labels) => {
    const page = renderReport(input([run({ labels })]));
    expectSound(page);
    // What is drawn follows the definition, not the convention: no curve of balanced accuracy or AUROC.
    expect(titles(page)).toEqual([
      'Validation loss',
      'Training loss',
      'ROC curve',
      'Reliability diagram',
      'Confusion matrix',
    ]);
    expect(svgs(page)).toHaveLength(3);
    const words = text(page);
    expect(words).toContain('Every test text has the same label: balanced accuracy and AUROC are undefined.');
    expect(words).toMatch(/AUROC ↑ [^↑]* undefined undefined accuracy/);
    expect(words).toMatch(/MCC ↑ Matthews correlation, −1 to 1 undefined \(0.000 by convention\)/);
    if (labels.length === 1) expect(words).toContain('on 1 test text.');
  });

  it('leaves gaps where numbers are missing', () => {
    const one = run({ evaluations: 3 });
    const history = one.history.map((at, i) => (i === 1 ? { ...at, train: {}, validation: null } : at));
    const infinite = one.history.map((at) => ({ ...at, train: { loss: Number.POSITIVE_INFINITY } }));
    expectSound(renderReport(input([{ ...one, history }])));
    const page = renderReport(input([{ ...one, history: infinite }]));
    expectSound(page);
    expect(titles(page)).not.toContain('Training loss');
  });

  it('draws the curve whose area is the AUROC, and every text in the diagram', () => {
    const one = run({ skill: 1.5 });
    const page = renderReport(input([one]));
    const [roc = '', reliability = ''] = svgs(page).slice(4);
    const paths = [...roc.matchAll(/<path d="(M[^"]*L[^"]*)" fill="none" stroke="#0072B2"/g)].map(([, d]) => d ?? '');
    const points = [...(paths[0] ?? '').matchAll(/([\d.]+) ([\d.]+)/g)].map(
      ([, x, y]) => [Number(x), Number(y)] as const,
    );
    const [left, bottom] = points[0] ?? [0, 0];
    const [right, top] = points.at(-1) ?? [0, 0];
    let area = 0;
    for (const [i, [x, y]] of points.entries()) {
      const [before, high] = points[i - 1] ?? [x, y];
      area += ((x - before) * (bottom - (y + high) / 2)) / ((right - left) * (bottom - top));
    }
    expect(paths).toHaveLength(1);
    expect(points.length).toBeGreaterThan(30);
    expect(Math.abs(area - (one.result.metrics.auroc ?? 0))).toBeLessThan(0.002); // points are drawn to 1/1000
    const counts = [...reliability.matchAll(/observed, (\d+) texts/g)].map(([, n]) => Number(n));
    expect(counts.reduce((sum, n) => sum + n, 0)).toBe(200);
    expect(page.match(/<td class="(right|wrong)"/g)).toEqual(
      ['right', 'wrong', 'wrong', 'right'].map((kind) => `<td class="${kind}"`),
    );
  });

  it('keeps the ROC of a large test set small', () => {
    const rng = createRng(3);
    const labels = Array.from({ length: 20_000 }, () => (rng.uniform() < 0.5 ? 1 : 0));
    const page = renderReport(input([run({ labels, skill: 1, evaluations: 2 })]));
    expectSound(page);
    expect(page.length).toBeLessThan(120_000);
  });

  it('refuses what cannot be compared', () => {
    expect(() => renderReport(input([]))).toThrow(new OptionError('renderReport', 'runs', 'at least one run', 0));
    expect(() => renderReport(input([run(), run({ labels: balanced.map((y) => 1 - y) })]))).toThrow(
      'renderReport: runs must be runs on the same test set; got "test labels that differ"',
    );
    const one = run();
    expect(() => renderReport(input([{ ...one, test: { ...one.test, logits: [1] } }]))).toThrow(
      'renderReport: runs must be runs with a logit for every test label; got "lengths that differ"',
    );
  });

  it('shows nested settings under their group, empty ones as none', () => {
    const page = renderReport(
      input([
        run({ configuration: { deep: { a: { b: [{ c: 1 }], 'd.e': true } }, nothing: null, empty: [], zero: 0 } }),
      ]),
    );
    const words = text(page);
    expect(words).toContain('setting value nothing none empty none zero 0 deep a.b.0.c 1 a.d.e true');
  });
});

describe('intervals and tests', () => {
  it('the interval of balanced accuracy covers the truth about 95 times in 100', () => {
    const rng = createRng(11);
    const labels = Array.from({ length: 60 }, (_, i) => (i < 15 ? 1 : 0));
    const trials = 2000;
    let covered = 0;
    for (let trial = 0; trial < trials; trial++) {
      // Sensitivity 0.8, specificity 0.9.
      const logits = labels.map((y) => (y === 1 ? (rng.uniform() < 0.8 ? 1 : -1) : rng.uniform() < 0.9 ? -1 : 1));
      const [lower, upper] = balancedAccuracyInterval(binaryMetrics({ logits, labels })) ?? [1, 0];
      if (lower <= 0.85 && 0.85 <= upper) covered += 1;
    }
    // Four standard errors of 2000 trials are 0.02; the method is conservative by up to 0.02 at this size.
    expect(covered / trials).toBeGreaterThan(0.93);
    expect(covered / trials).toBeLessThan(0.985);
    expect(balancedAccuracyInterval(binaryMetrics({ logits: [1, 2], labels: [1, 1] }))).toBeNull();
  });
});

describe('text', () => {
  it('numbers are short and say what they are', () => {
    expect([metric(0.98249), metric(-0.5), metric(null), metric(Number.NaN)]).toEqual([
      '0.982',
      '−0.500',
      'undefined',
      'undefined',
    ]);
    expect([count(999), count(1000), count(1234567.4)]).toEqual(['999', '1\u202f000', '1\u202f234\u202f567']);
    expect([percent(1, 3), percent(1, 0)]).toEqual(['33.3\u202f%', 'undefined']);
    expect([duration(12.34), duration(59.99), duration(754), duration(7380)]).toEqual([
      '12.3 s',
      '1 min',
      '13 min',
      '2 h 3 min',
    ]);
    expect([pValue(0.0004), pValue(0.0312)]).toEqual(['< 0.001', '0.031']);
  });

  it('html escapes strings and numbers, and keeps markup of its own', () => {
    expect(html`<p>${'<&>"\''}${1}${html`<b>${'x'}</b>`}${[html`<i>a</i>`, html`<i>b</i>`]}</p>`.html).toBe(
      '<p>&lt;&amp;&gt;&quot;&#39;1<b>x</b><i>a</i><i>b</i></p>',
    );
  });
});
