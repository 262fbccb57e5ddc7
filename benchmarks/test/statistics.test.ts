import { describe, expect, it } from 'vitest';
import { section } from '../src/report/section.ts';
import { digits, duration } from '../src/report/text.ts';
import type { Comparison, Growth, ResultFile } from '../src/result.ts';
import { difference, exponent, median, summarize } from '../src/statistics.ts';

describe('statistics', () => {
  it('median is the middle, or the mean of the two in the middle', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 3, 2])).toBe(2.5);
  });

  it('summarize gives the median and how far half of the samples lie from it', () => {
    expect(summarize([1, 2, 3, 4, 100])).toEqual({ medianMs: 3, madMs: 1, samplesMs: [1, 2, 3, 4, 100] });
  });

  it('exponent of a power is its exponent, whatever the factor', () => {
    for (const power of [0, 0.5, 1, 2]) {
      const points = [10, 20, 40, 80].map((x) => ({ x, y: 7 * x ** power }));
      expect(exponent(points)).toBeCloseTo(power, 12);
    }
  });

  it('difference is relative to the largest number, and infinite where one side has no number', () => {
    expect(difference([1, 2, 3.5], [1, 2, 4])).toBe(0.125);
    expect(difference([0, 0], [0, 0])).toBe(0);
    expect(difference([Number.NaN], [Number.NaN])).toBe(0);
    expect(difference([Number.NaN], [1])).toBe(Infinity);
    expect(difference([-Infinity, 1], [-Infinity, 1])).toBe(0);
    expect(difference([1], [1, 2])).toBe(Infinity);
  });
});

describe('report', () => {
  it('writes three digits and a unit that fits', () => {
    expect([0, 0.01234, 4.567, 98.76, 99.96, 12_345].map(digits)).toEqual([
      '0',
      '0.0123',
      '4.57',
      '98.8',
      '100',
      '12\u00a0300',
    ]);
    expect(duration({ medianMs: 0.01234, madMs: 0.001, samplesMs: [] })).toBe('12.3 ± 1 µs');
    expect(duration({ medianMs: 1234, madMs: 56, samplesMs: [] })).toBe('1.23 ± 0.056 s');
  });

  it('shows every contestant with its ratio, the share of the limit, and figures that are well-formed SVG', () => {
    const { markdown, figures } = section(file([comparison, growth]));
    expect(markdown).toContain('| [2, 3], forward | tsrl, 1 thread | 1.00 ± 0.1 ms | 1 | 24.0 GFLOP/s | 50.0 % |');
    expect(markdown).toContain(
      '| plain tfjs, 1 thread | 4.00 ± 0.2 ms | 4.00 | 6.00 GFLOP/s | 12.5 % | 2.00 MB | 1e-6 |',
    );
    expect(markdown).toContain('plain tfjs, 1 thread: the naive way.');
    expect(markdown).toContain('| gae | T, forward | 4.00 ± 0 ms | 1\u00a0000 | 1.00 |');
    expect([...figures.keys()]).toEqual([
      'kernels-against-plain-tfjs-1-thread.svg',
      'kernels-limits.svg',
      'kernels-t-forward-b-2.svg',
    ]);
    for (const [name, svg] of figures) {
      expect(markdown).toContain(`benchmarks/${name}`);
      expect(svg).toMatch(/^<svg [^<]*>/);
      expect(svg).not.toMatch(/NaN|undefined|="[^"]*"[^\s/>?]/);
    }
  });

  it('gives the same bytes for the same results', () => {
    const all = [section(file([comparison, growth])), section(file([comparison, growth]))];
    expect(all[0]).toEqual(all[1]);
  });
});

const comparison: Comparison = {
  kind: 'comparison',
  subject: 'matMul',
  variant: '[2, 3], forward',
  detail: 'a product',
  work: { flop: 24e6 },
  contestants: [
    { name: 'tsrl', threads: 1, time: { medianMs: 1, madMs: 0.1, samplesMs: [1] } },
    {
      name: 'plain tfjs',
      threads: 1,
      settings: 'the naive way',
      time: { medianMs: 4, madMs: 0.2, samplesMs: [4] },
      memory: { megabytes: 2, of: 'heap' },
      ratio: 4,
      difference: 1e-6,
    },
  ],
};

const growth: Growth = {
  kind: 'growth',
  subject: 'gae',
  variant: 'T, forward',
  detail: 'an estimator; B = 2',
  size: 'T',
  points: [1, 2].map((size) => ({
    size,
    elements: 2000 * size,
    time: { medianMs: 2 * size, madMs: 0, samplesMs: [2 * size] },
  })),
  exponent: 1,
};

const file = (results: ResultFile['results']): ResultFile => ({
  suite: 'kernels',
  question: 'How fast?',
  command: 'npm run bench',
  environment: {
    date: '2026-11-21T00:00:00.000Z',
    commit: 'abc',
    backend: 'wasm',
    machine: {
      cpu: 'a processor',
      cores: 2,
      memoryGb: 24,
      system: 'linux x64',
      load: 0,
      limits: { readGbs: 25, scaleGbs: 28, gflops: 48 },
    },
    versions: { Node: '20.20.2' },
  },
  seconds: 1,
  results,
});
