import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRng } from '@tsrl/core';
import { flipLabels, supportTriage } from '@tsrl/data';
import { loadLabelledTexts } from '@tsrl/data/node';
import { type NoiseRates, posteriorLabels } from '@tsrl/rewards';
import { beforeAll, describe, expect, test } from 'vitest';
import { classWeightsOf, priorOf } from '../src/class-weights.ts';
import { decide, scaled } from '../src/decision.ts';
import { crossValidate, labelQuality, qualityOf, ratesFromTrusted } from '../src/label-quality.ts';
import { methodFacts } from '../src/learn.ts';
import { makeReward } from '../src/make-reward.ts';
import { noiseOf } from '../src/noise.ts';
import { completeSettings, type GivenSettings, type TrainSettings } from '../src/settings/index.ts';
import { type Ended, hashes, readJson, spawnTsrl, temporaryFolder, timeless, tsrl, writeTexts } from './tsrl.ts';

// Every setting reaches what it sets: through the command line to the weights, or through the parts to the numbers.

const at = temporaryFolder();
const train = at('train.jsonl');
const testFile = at('test.jsonl');
const small = ['--epochs', 1, '--batch-size', 16, '--max-length', 24, '--backend', 'wasm', '--threads', 1];
const out = (name: string): string => at('runs', name);
const resultOf = (name: string): Record<string, unknown> => readJson(join(out(name), 'result.json'));
const weightsOf = (name: string): string => {
  const files = hashes(join(out(name), 'model'));
  return `${files['model.safetensors']} ${files['head.safetensors']}`;
};

async function run(name: string, ...args: readonly (string | number)[]): Promise<Ended> {
  const data = ['--train', train, '--test', testFile, '--seed', 3, '--out', out(name)];
  // Threads are started from what was built, and so only by a process that is.
  const start = args.includes('--threads') ? spawnTsrl : (all: readonly (string | number)[]) => tsrl(...all);
  const ended = await start(['train', ...data, ...small, ...args]);
  expect(ended, ended.stderr).toMatchObject({ code: 0 });
  return ended;
}
const sft = (name: string, ...args: readonly (string | number)[]) => run(name, '--method', 'sft', ...args);
const ppo = (name: string, ...args: readonly (string | number)[]) =>
  run(name, '--method', 'binary-ppo', '--refreshes', 2, '--refresh-batches', 2, ...args);

beforeAll(() => {
  writeTexts(train, 100, 1);
  writeTexts(testFile, 40, 2);
});

describe('a setting is another run', () => {
  /** Runs each, and expects weights that no other one has. */
  async function expectDifferent(
    start: (name: string, ...args: readonly (string | number)[]) => Promise<Ended>,
    variants: Readonly<Record<string, readonly (string | number)[]>>,
  ): Promise<void> {
    for (const [name, args] of Object.entries(variants)) await start(name, ...args);
    const weights = Object.keys(variants).map(weightsOf);
    expect(new Set(weights).size, Object.keys(variants).join()).toBe(weights.length);
  }

  test('of sft: each loss and its parameter', () =>
    expectDifferent(sft, {
      plain: [],
      smooth: ['--label-smoothing', 0.2],
      mae: ['--loss', 'mae'],
      gce: ['--loss', 'generalized-cross-entropy'],
      'gce 0.3': ['--loss', 'generalized-cross-entropy', '--q', 0.3],
      focal: ['--loss', 'focal'],
      'focal 5': ['--loss', 'focal', '--focal-gamma', 5],
      adjusted: ['--loss', 'logit-adjusted'],
      'adjusted 0.5': ['--loss', 'logit-adjusted', '--tau', 0.5],
      corrected: ['--loss', 'forward-corrected', '--noise-rates', 0.1, 0.2],
      weighted: ['--class-weights', 'balanced'],
      decay: ['--weight-decay', 0.5],
      warm: ['--learning-rate-warmup', 5],
    }));

  test('of binary-ppo: each part', () =>
    expectDifferent(ppo, {
      stable: [],
      paper: ['--preset', 'paper'],
      only: ['--preset', 'ppo-only'],
      capped: ['--reward-cap', 0.2],
      anneal: ['--supervised-anneal', '--supervised-coefficient', 1],
      coefficient: ['--supervised-coefficient', 1],
      entropy: ['--entropy-coefficient', 0.5],
      kl: ['--kl-coefficient', 1],
      reverse: ['--kl-coefficient', 1, '--kl-direction', 'reverse'],
      warmup: ['--warmup-steps', 2],
      scale: ['--advantage-scale', 0.1],
      clip: ['--advantage-clip', 0.1],
      backward: ['--noise-correction', 'backward', '--noise-rates', 0.1, 0.3],
      forward: ['--noise-correction', 'forward', '--noise-rates', 0.1, 0.3, '--noise-prior', 'policy'],
      under: ['--sampling', 'undersample'],
      costs: ['--cost-false-negative', 5],
      draws: ['--actions', 'sample', '--samples-per-example', 3],
      mean: ['--actions', 'sample', '--baseline', 'batch-mean'],
      bare: ['--normalize', 'none'],
    }));

  test('bco is a run with the label as the answer that is wanted', async () => {
    await run('bco', '--method', 'bco', '--refreshes', 2, '--refresh-batches', 2, '--beta', 0.5);
    expect(resultOf('bco')).toMatchObject({ method: 'bco', steps: 4, configuration: { beta: 0.5 } });
    expect(resultOf('bco')['configuration']).not.toHaveProperty('reward');
  });

  test('--target-kl ends refreshes early, --patience the run', async () => {
    await ppo('far', '--epochs', 4, '--target-kl', 1e-12, '--refreshes', 3);
    expect(resultOf('far')).toMatchObject({ stopped: 'completed', steps: 6 });
    await sft('patient', '--epochs', 6, '--patience', 1, '--learning-rate', 1e-9);
    expect(resultOf('patient')).toMatchObject({ stopped: 'patience' });
  });
});

describe('what is trained', () => {
  test('--trainable head reads every text once, and saves an ordinary head', async () => {
    const ended = await ppo('base');
    const model = join(out('base'), 'model');
    const { stderr } = await ppo('head', '--model', model, '--trainable', 'head', '--baseline', 'value-head');
    expect(ended.stderr).not.toContain('reading');
    expect(stderr).toContain('reading 140/140 texts | ETA 0s | each once, for the model stays as it is\n');
    const { parameters } = resultOf('base')['model'] as { parameters: number };
    expect(resultOf('head')['model']).toEqual({ parameters: parameters + 65, trainable: 130 });
    expect(hashes(join(out('head'), 'model'))['model.safetensors']).toBe(hashes(model)['model.safetensors']);
    await expectSameMetrics('head');
    const result = resultOf('head');
    const again = await ppo('head', '--model', model, '--trainable', 'head', '--baseline', 'value-head', '--resume');
    expect(again.stderr, 'what was read is kept').not.toContain('reading');
    expect(timeless(resultOf('head'))).toEqual(timeless(result));
  });

  test.each([1, 2])('--trainable lora with %d threads, merged and alone', async (threads) => {
    await ppo(`base ${threads}`);
    const model = join(out(`base ${threads}`), 'model');
    const lora = ['--model', model, '--trainable', 'lora', '--lora-rank', 2, '--lora-projections', 'q_proj', 'o_proj'];
    const variants = { merged: [], adapters: ['--save', 'adapters'] };
    for (const [save, args] of Object.entries(variants)) {
      const name = `${save} ${threads}`;
      await ppo(name, ...lora, ...args, '--threads', threads);
      // two projections of two layers, A and B of rank 2 at width 64, and the head
      expect((resultOf(name)['model'] as Record<string, number>)['trainable']).toBe(2 * 2 * 2 * 2 * 64 + 65);
      await expectSameMetrics(name);
    }
    expect(readdirSync(join(out(`merged ${threads}`), 'model')).sort()).toEqual(readdirSync(model).sort());
    const alone = readdirSync(join(out(`adapters ${threads}`), 'model'));
    expect(alone).toContain('adapter_model.safetensors');
    expect(alone).not.toContain('model.safetensors');
    expect(resultOf(`adapters ${threads}`)['metrics']).toEqual(resultOf(`merged ${threads}`)['metrics']);

    const moved = out(`moved ${threads}`);
    renameSync(model, moved);
    const saved = ['--model', join(out(`adapters ${threads}`), 'model'), '--data', testFile, '--threads', 1];
    expect((await tsrl('eval', ...saved)).stderr).toMatch(/cannot be read: .+; where it is, the option base says\n$/);
    const { stdout } = await tsrl('eval', ...saved, '--base', moved);
    expect(JSON.parse(stdout)).toEqual({ metrics: resultOf(`adapters ${threads}`)['metrics'] });
  });

  test('--save adapters needs a model that stays where it is', async () => {
    const args = ['--method', 'sft', '--train', train, '--test', testFile, '--out', at('never')];
    const { code, stderr } = await tsrl('train', ...args, '--trainable', 'lora', '--save', 'adapters');
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: 'tsrl: --save adapters needs --model, which they are read over; a model of our own is saved whole\n',
    });
    expect(existsSync(at('never'))).toBe(false);
  });

  test('verbalizers: words of several tokens, calibrated, and with a third answer', async () => {
    const verbalizer = ['--policy', 'verbalizer', '--max-length', 40];
    await ppo('words', ...verbalizer, '--positive', 'very urgent', '--negative', 'can wait');
    await ppo('calibrated', ...verbalizer, '--calibrate');
    await ppo('third', ...verbalizer, '--no-renormalize');
    const form = (name: string) => readJson(join(out(name), 'model', 'tsrl.json'))['policy'] as Record<string, unknown>;
    expect((form('words')['yes'] as number[][])[0]!.length).toBeGreaterThan(1);
    expect(form('calibrated')['logitBias']).not.toBe(0);
    expect(form('words')['logitBias']).toBe(0);
    expect(form('third')['renormalize']).toBe(false);
    for (const name of ['words', 'calibrated', 'third']) await expectSameMetrics(name);
  });

  test.each([1, 2])(
    'adapters of a verbalizer with %d threads: interrupted or not, merged or alone',
    async (threads) => {
      await ppo(`decoder ${threads}`);
      const model = join(out(`decoder ${threads}`), 'model');
      const [whole, alone] = [`answers ${threads}`, `answers alone ${threads}`];
      const lora = ['--model', model, '--policy', 'verbalizer', '--trainable', 'lora', '--lora-rank', 2];
      lora.push('--calibrate', '--max-length', 40, '--learning-rate', 0.02, '--threads', threads);
      await ppo(whole, ...lora);
      await ppo(alone, ...lora, '--save', 'adapters', '--max-minutes', 1e-6);
      expect(resultOf(alone)).toMatchObject({ stopped: 'time', steps: 1 });
      const { stderr } = await ppo(alone, ...lora, '--save', 'adapters', '--resume');
      expect(stderr).toMatch(/^going on at step 1 of 4$/m);
      for (const name of [whole, alone]) {
        // query and value of two layers, A and B of rank 2 at width 64; no head
        expect((resultOf(name)['model'] as Record<string, number>)['trainable']).toBe(2 * 2 * 2 * 2 * 64);
        await expectSameMetrics(name);
      }
      expect(resultOf(alone)['metrics']).toEqual(resultOf(whole)['metrics']);
      expect(hashes(join(out(whole), 'model'))['model.safetensors']).not.toBe(hashes(model)['model.safetensors']);
      const form = (name: string) => readJson(join(out(name), 'model', 'tsrl.json'))['policy'];
      expect(form(whole)).toMatchObject({ form: 'verbalizer', trainable: 'full' });
      expect(form(alone)).toMatchObject({ form: 'verbalizer', trainable: 'lora' });

      const said: { probability: number; prediction: number }[][] = [];
      for (const name of [whole, alone]) {
        const { stdout } = await tsrl('predict', '--model', join(out(name), 'model'), '--data', testFile);
        said.push(
          stdout
            .trimEnd()
            .split('\n')
            .map((line) => JSON.parse(line)),
        );
      }
      expect(said[0]).toHaveLength(40);
      const predictions = said.map((rows) => rows.map(({ prediction }) => prediction));
      expect(predictions[1]).toEqual(predictions[0]);
      for (const [i, { probability }] of said[0]!.entries())
        expect(said[1]![i]!.probability).toBeCloseTo(probability, 5);
    },
  );

  /** `tsrl eval` finds in the saved model what the run found. */
  async function expectSameMetrics(name: string): Promise<void> {
    const model = join(out(name), 'model');
    const { stdout, stderr } = await tsrl('eval', '--model', model, '--data', testFile, '--backend', 'wasm');
    expect(stderr).toBe('');
    const { metrics } = JSON.parse(stdout) as { metrics: Record<string, number> };
    const expected = resultOf(name)['metrics'] as Record<string, number>;
    expect(metrics['threshold']).toBe(expected['threshold']);
    expect(Math.abs(metrics['nll']! - expected['nll']!)).toBeLessThan(1e-5);
    expect(metrics['confusion']).toEqual(expected['confusion']);
  }
});

describe('the decision', () => {
  test('threshold and temperature are saved with the model; predict and eval apply them', async () => {
    await sft('decided', '--threshold', 'validation', '--temperature', '--epochs', 3, '--trainable', 'head');
    const { temperature, metrics } = resultOf('decided') as { temperature: number; metrics: Record<string, number> };
    expect(temperature).not.toBe(1);
    expect(metrics['threshold']).not.toBe(0.5);
    const model = join(out('decided'), 'model');
    const saved = readJson(join(model, 'tsrl.json'));
    expect(saved).toMatchObject({ temperature, threshold: metrics['threshold'] });
    const evaluated = await tsrl('eval', '--model', model, '--data', testFile, '--backend', 'wasm');
    const found = (JSON.parse(evaluated.stdout) as { metrics: Record<string, number> }).metrics;
    expect(found['nll']).toBeCloseTo(metrics['nll']!, 5);
    expect(found['threshold']).toBe(metrics['threshold']);

    const probability = async (): Promise<{ probability: number; prediction: number }> => {
      const { stdout } = await tsrl('predict', '--model', model, '--text', 'help', '--backend', 'wasm');
      return JSON.parse(stdout) as { probability: number; prediction: number };
    };
    const cooled = await probability();
    expect(cooled.prediction).toBe(cooled.probability >= metrics['threshold']! ? 1 : 0);
    const { temperature: _, ...older } = saved; // as models were saved before there was a temperature
    writeFileSync(join(model, 'tsrl.json'), JSON.stringify(older));
    const logit = (p: number): number => Math.log(p / (1 - p));
    expect(logit((await probability()).probability)).toBeCloseTo(temperature * logit(cooled.probability), 4);
    writeFileSync(join(model, 'tsrl.json'), JSON.stringify({ ...older, temperature: -1 }));
    const refused = await tsrl('predict', '--model', model, '--text', 'help', '--backend', 'wasm');
    expect(refused).toMatchObject({
      code: 2,
      stderr: `${join(model, 'tsrl.json')}: temperature must be positive; got -1\n`,
    });
  });

  test('is made on validation examples: T makes the likelihood best, the threshold the balanced accuracy', () => {
    const rng = createRng(5);
    const labels = Float64Array.from({ length: 4000 }, () => (rng.uniform() < 0.2 ? 1 : 0));
    const truth = labels.map((y) => 2 * y - 1 + rng.normal() + Math.log(0.25));
    // Log-odds of two Gaussians ±1, of variance 1, are 2x; these say five times as much.
    const logits = truth.map((z) => 10 * (z - Math.log(0.25)) + 5 * Math.log(0.25));
    const settings = (given: Partial<TrainSettings>): TrainSettings =>
      completeSettings({ method: 'sft', ...given }, { parameters: 1, minorityShare: 0.2 });
    expect(decide(settings({}), { logits, labels })).toEqual({ temperature: 1, threshold: 0.5 });
    const { temperature, threshold } = decide(settings({ temperature: true, threshold: 'validation' }), {
      logits,
      labels,
    });
    expect(temperature).toBeGreaterThan(4.5);
    expect(temperature).toBeLessThan(5.5);
    // Best balanced accuracy is at the prior, whose estimate from 4000 examples moves by a few hundredths.
    expect(Math.abs(threshold - 0.2)).toBeLessThan(0.1);
    expect(scaled(logits, 2)[7]).toBe(logits[7]! / 2);
    expect(
      decide(settings({ costFalseNegative: 5, gainTruePositive: 0, gainTrueNegative: 0 }), { logits, labels })
        .threshold,
    ).toBeCloseTo(1 / 6, 12);
  });
});

describe('weights and rewards', () => {
  const settings = (given: Omit<GivenSettings, 'method'>): TrainSettings =>
    completeSettings({ method: 'binary-ppo', ...given }, { parameters: 1, minorityShare: 0.25 });
  const counts = [300, 100] as const;

  test('class weights meet the imbalance, and the head begins at the share that is shown', () => {
    expect(classWeightsOf(settings({}), counts)).toEqual([1, 1]);
    expect(classWeightsOf(settings({ classWeights: 'balanced' }), counts)).toEqual([400 / 600, 2]);
    expect(priorOf(settings({ sampling: 'plain' }), counts)).toBe(0.25);
    expect(priorOf(settings({ sampling: 'balanced' }), counts)).toBe(0.5);
    expect(priorOf(settings({ sampling: 'plain', classWeights: 'balanced' }), counts)).toBeCloseTo(0.5, 12);
    const [w0, w1] = classWeightsOf(settings({ classWeights: 'effective', effectiveBeta: 0 }), counts);
    expect([w0, w1]).toEqual([1, 1]);
  });

  test('the golden rewards of core.md 2.3, by name', async () => {
    const rewards: [Partial<TrainSettings>, number, number][] = [
      [{ reward: 'constant' }, 1, -1],
      [{ reward: 'prob' }, 0.598687660112, -0.401312339888],
      [{ reward: 'log-complement' }, 0.9130152524, -0.5130152524],
      [{ reward: 'surprise' }, 0.5130152524, -0.9130152524],
      [{ reward: 'printed' }, -0.5130152524, 0.9130152524],
      [{ reward: 'margin' }, 0.197375320225, -0.197375320225],
      [{ reward: 'margin-floor', rewardFloor: 0.5 }, 0.5 + 0.5 * 0.197375320225, -0.5 - 0.5 * 0.197375320225],
      [{ reward: 'power', rewardPower: 2 }, 0.598687660112 ** 2, -(0.401312339888 ** 2)],
      [{ reward: 'log-score', rewardOffset: 3 }, -0.5130152524, -3.5130152524],
      [{ reward: 'tempered' }, 0.733015643526, -0.452501812457],
      [{ reward: 'tempered', rewardTemper: 1 }, 0.598687660112, -0.401312339888],
      // q = 2 (e₀ + e₁), held in [0.05, 1]
      [{ reward: 'tempered', rewardTemper: null, noiseRates: [0.1, 0.15] }, 0.733015643526, -0.452501812457],
      [{ reward: 'tempered', rewardTemper: null, noiseRates: [0.3, 0.4] }, 0.598687660112, -0.401312339888],
      [
        { reward: 'tempered', rewardTemper: null, noiseRates: [0.01, 0.01] },
        20 * (1 - 0.401312339888 ** 0.05),
        -20 * (1 - 0.598687660112 ** 0.05),
      ],
      [{ reward: 'prob', kappa: 2 }, 2 * 0.598687660112, -2 * 0.401312339888],
      [{ reward: 'log-complement', rewardCap: 0.6 }, 0.6, -0.5130152524],
      [{ reward: 'constant', costFalseNegative: 5 }, 1, -5],
      [{ reward: 'constant', classWeights: 'balanced' }, 2, -2],
      // core.md 2.5, e₀ = 0.1, e₁ = 0.2
      [{ reward: 'constant', noiseCorrection: 'backward', noiseRates: [0.1, 0.2] }, 1.5714285714, -1.5714285714],
    ];
    for (const [given, right, wrong] of rewards) {
      const chosen = settings(given);
      const labels = Float64Array.from([...Array(300).fill(0), ...Array(100).fill(1)]);
      const told = await noiseOf(chosen, {
        observed: labels,
        file: '',
        judge: () => '',
        trusted: () => Promise.reject(new Error('nobody trusts')),
      });
      const reward = makeReward(chosen, methodFacts(chosen, labels, told));
      expect(reward({ action: 1, label: 1, logit: 0.4 }), JSON.stringify(given)).toBeCloseTo(right, 9);
      expect(reward({ action: 0, label: 1, logit: 0.4 }), JSON.stringify(given)).toBeCloseTo(wrong, 9);
    }
    const forward = settings({ reward: 'constant', noiseCorrection: 'forward', noiseRates: 'trusted' });
    const facts = { counts, steps: 1, noiseRates: { falsePositive: 0.1, falseNegative: 0.2, prior: 0.6 } };
    expect(makeReward(forward, facts)({ action: 1, label: 1, logit: 9 })).toBeCloseTo(0.8461538462, 9);
    expect(makeReward(forward, facts)({ action: 1, label: 0, logit: 9 })).toBeCloseTo(-0.5, 9);
  });
});

describe('what a run says of the labels', () => {
  const texts = supportTriage(1500, createRng(8), { prior: 0.4 });

  test('suspects are mostly the labels that were flipped, and stand at their lines', async () => {
    const noisy = flipLabels(texts, { rate: 0.15 }, createRng(9));
    const file = at('noisy.csv');
    const rows = noisy.examples.map(
      ({ text, label }, i) => `"${text.replaceAll('"', '""')}${i % 7 === 0 ? '\n\n' : ''}",${label}\n`,
    );
    writeFileSync(file, `text,label\n${rows.join('')}`);
    const ended = await sft('suspects', '--train', file, '--epochs', 1, '--max-length', 16);
    const said = ended.stdout.split('\n').filter((line) => /^(classes|noise|suspects) /.test(line));
    expect(said.map((line) => line.split(' ')[0])).toEqual(['classes', 'noise', 'suspects']);
    expect(ended.stdout).toMatch(/about which 5-fold cross-validation by their words is surest/);

    const lines = readFileSync(join(out('suspects'), 'suspects.jsonl'), 'utf8')
      .trimEnd()
      .split('\n');
    const suspects = lines.map((line) => JSON.parse(line) as Record<string, number | string>);
    expect(suspects.map(({ rank }) => rank)).toEqual(suspects.map((_, i) => i + 1));
    const starts = (await loadLabelledTexts(file)).map((text) => text.line);
    const flipped = new Set(noisy.flipped);
    let found = 0;
    for (const { line, text, label } of suspects.slice(0, 50)) {
      const position = starts.indexOf(line as number);
      expect(noisy.examples[position]).toMatchObject({ text: String(text).trimEnd(), label });
      if (flipped.has(position)) found++;
    }
    expect(found).toBeGreaterThanOrEqual(35);
    const { labels } = resultOf('suspects') as { labels: Record<string, number | string> };
    expect(labels).toMatchObject({ by: 'tf-idf', folds: 5, suspects: suspects.length });
  });

  test('the better of two judges is taken: words, or vectors that know more', () => {
    const vectors = { data: Float32Array.from(texts, ({ label }) => label), rows: texts.length, columns: 1 };
    expect(labelQuality(texts, createRng(1), vectors).by).toBe('vectors');
    const blind = { ...vectors, data: new Float32Array(texts.length) };
    expect(labelQuality(texts, createRng(1), blind).by).toBe('tf-idf');
  });

  test('beliefs in labels: nearer to the truth than what was observed, by the rates of the noise and by estimated ones', () => {
    const rates = { falsePositive: 0.05, falseNegative: 0.4 };
    const noisy = flipLabels(texts, rates, createRng(6)).examples;
    const seen = crossValidate(noisy, createRng(1));
    const ones = noisy.filter(({ label }) => label === 1).length;
    // Classes that counted alike make one probability too many for the rarer one; as they come, the mean is its share.
    const mean = (of: Float64Array): number => of.reduce((sum, p) => sum + p, 0) / of.length;
    expect(mean(seen.probabilities)).toBeCloseTo(ones / noisy.length, 1);
    expect(mean(seen.alike)).toBeGreaterThan(mean(seen.probabilities) + 0.05);
    const odds = (p: number): number => p / (1 - p);
    const ratio = ones / (noisy.length - ones);
    for (const i of [0, 7, 700]) {
      expect(odds(seen.probabilities[i]!) / odds(seen.alike[i]!)).toBeCloseTo(ratio, 9);
    }
    const { anchors, confident } = qualityOf(seen) as { anchors: NoiseRates; confident: NoiseRates };
    // Squared: a proper score, least in the mean for the true posterior; the absolute error favours what is 0 or 1.
    const far = (labels: ArrayLike<number>): number =>
      texts.reduce((sum, { label }, i) => sum + (label - labels[i]!) ** 2, 0) / texts.length;
    const observed = far(noisy.map(({ label }) => label));
    expect(far(posteriorLabels(seen, rates))).toBeLessThan(observed);
    for (const estimated of [anchors, confident]) expect(far(posteriorLabels(seen, estimated))).toBeLessThan(observed);
  });

  test('what is known of the noise: rates, beliefs, or why there are none', async () => {
    const noisy = flipLabels(texts, { falsePositive: 0.05, falseNegative: 0.4 }, createRng(6)).examples;
    const observed = Float64Array.from(noisy, ({ label }) => label);
    const quality = qualityOf(crossValidate(noisy, createRng(1)));
    const rates = { falsePositive: 0.1, falseNegative: 0.2 };
    const sources = { observed, file: 'here', judge: () => quality, trusted: async () => rates };
    const never = {
      ...sources,
      judge: () => {
        throw new Error('nobody needs to judge');
      },
    };
    const believed = (e: NoiseRates) => posteriorLabels({ labels: observed, probabilities: quality.probabilities }, e);

    const plain = { labels: 'observed' } as const;
    expect(await noiseOf({ ...plain, noiseRates: null }, never)).toEqual({});
    expect(await noiseOf({ ...plain, noiseRates: [0.1, 0.2] }, never)).toEqual({ rates });
    expect(await noiseOf({ ...plain, noiseRates: 'trusted' }, never)).toEqual({ rates });
    for (const word of ['anchors', 'confident'] as const) {
      expect(await noiseOf({ ...plain, noiseRates: word }, sources)).toEqual({ rates: quality[word] });
    }
    const blind = { ...sources, judge: () => 'nothing is seen' };
    await expect(noiseOf({ ...plain, noiseRates: 'anchors' }, blind)).rejects.toThrow(
      'here: --noise-rates anchors finds no rates: nothing is seen; give two numbers, or --trusted',
    );
    const dumb = { ...sources, judge: () => ({ ...quality, confident: 'they say nothing' }) };
    await expect(noiseOf({ ...plain, noiseRates: 'confident' }, dumb)).rejects.toThrow('they say nothing');

    const beliefs = { labels: 'posterior' } as const;
    expect(await noiseOf({ ...beliefs, noiseRates: [0.1, 0.2] }, sources)).toEqual({ rates, beliefs: believed(rates) });
    expect(await noiseOf({ ...beliefs, noiseRates: 'trusted' }, sources)).toEqual({ rates, beliefs: believed(rates) });
    expect(await noiseOf({ ...beliefs, noiseRates: 'anchors' }, sources)).toEqual({
      rates: quality.anchors,
      beliefs: believed(quality.anchors as NoiseRates),
    });
    const none = { falsePositive: 0, falseNegative: 0 };
    expect(await noiseOf({ ...beliefs, noiseRates: [0, 0] }, never)).toEqual({ rates: none });
    expect(await noiseOf({ ...beliefs, noiseRates: 'confident' }, dumb)).toEqual({ problem: 'they say nothing' });
    expect(await noiseOf({ ...beliefs, noiseRates: [0.1, 0.2] }, blind)).toEqual({ problem: 'nothing is seen' });
  });

  test('classes are counted as they are believed, and so are passes and weights', () => {
    const labels = Float64Array.from([1, 1, 1, 0, 0, 0]);
    const beliefs = Float64Array.from([1, 0.25, 0.25, 0, 0, 0]);
    const settings = (given: Partial<GivenSettings>): TrainSettings =>
      completeSettings(
        { method: 'binary-ppo', batchSize: 1, refreshes: 1, epochs: 1, refreshBatches: null, ...given },
        { parameters: 1, minorityShare: 0.5 },
      );
    const steps = (given: Partial<GivenSettings>, noise?: { beliefs: Float64Array }) =>
      methodFacts(settings(given), labels, noise).steps;
    expect(methodFacts(settings({}), labels).counts).toEqual([3, 3]);
    expect(methodFacts(settings({}), labels, { beliefs }).counts).toEqual([4.5, 1.5]);
    for (const [sampling, size] of [
      ['plain', 6],
      ['balanced', 9],
      ['undersample', 3],
    ] as const) {
      expect(steps({ sampling })).toBe(6);
      expect(steps({ sampling }, { beliefs })).toBe(size);
    }
  });

  test('a run that can believe nothing says so, and learns from the labels', async () => {
    writeFileSync(at('silent.jsonl'), '{"text":"?","label":0}\n{"text":"!","label":1}\n'.repeat(8));
    const data = ['--train', at('silent.jsonl'), '--test', testFile, '--batch-size', 8];
    const { stderr } = await ppo('silent', ...data, '--preset', 'adaptive');
    expect(stderr).toMatch(/the labels are taken as they are: .+/);
    expect(resultOf('silent')).not.toHaveProperty('noiseRates');
  });

  test('beliefs are trained on where they are asked for, by sft and by binary-ppo', async () => {
    writeFileSync(at('clean.jsonl'), texts.map((text) => `${JSON.stringify(text)}\n`).join(''));
    const noisy = ['--train', at('clean.jsonl'), '--false-negative-noise', 0.3];
    const rates = [
      [sft, 'sft', 'confident'],
      [ppo, 'ppo', 'anchors'],
    ] as const;
    for (const [start, name, estimate] of rates) {
      const believe = ['--labels', 'posterior', '--noise-rates', estimate];
      await start(`${name} observed`, ...noisy);
      await start(`${name} believed`, ...noisy, ...believe);
      expect(weightsOf(`${name} believed`)).not.toBe(weightsOf(`${name} observed`));
      const { configuration, data, noiseRates } = resultOf(`${name} believed`) as Record<
        string,
        Record<string, unknown>
      >;
      expect(configuration).toMatchObject({ labels: 'posterior' });
      expect(noiseRates).toEqual([expect.any(Number), expect.any(Number)]);
      expect(data).toEqual(resultOf(`${name} observed`)['data']);
    }
  });

  test('trusted texts: compared where they are training texts, judged where they are not', () => {
    const noisy = flipLabels(texts, { falsePositive: 0.1, falseNegative: 0.3 }, createRng(4)).examples;
    const rates = ratesFromTrusted(texts, noisy);
    // Some texts of the generator occur twice, with two labels: the last one is what is compared.
    expect(Math.abs(rates.falsePositive - 0.1)).toBeLessThan(0.03);
    expect(Math.abs(rates.falseNegative - 0.3)).toBeLessThan(0.03);
    const others = supportTriage(300, createRng(77), { prior: 0.4 });
    const guessed = ratesFromTrusted(others, noisy);
    expect(guessed.falseNegative).toBeGreaterThan(guessed.falsePositive);
    expect(guessed.prior).toBeCloseTo(others.filter(({ label }) => label === 1).length / 300, 12);
  });

  test('rates are estimated for a correction, and a run says with which it trained', async () => {
    const trusted = at('trusted.jsonl');
    writeTexts(trusted, 60, 1);
    const rates = ['--noise-correction', 'forward', '--loss', 'forward-corrected', '--label-noise', 0.2];
    const { stdout } = await ppo('trusted', ...rates, '--noise-rates', 'trusted', '--trusted', trusted);
    expect(stdout).toMatch(
      /^noise +about [\d.]+ % of true 0 and [\d.]+ % of true 1 labelled wrong, by the texts of --trusted$/m,
    );
    const { noisePrior } = resultOf('trusted')['configuration'] as Record<string, string>;
    expect(noisePrior).toBe('estimated');
    for (const rate of resultOf('trusted')['noiseRates'] as number[]) expect(rate).toBeLessThan(0.5);
    const args = ['--method', 'sft', '--train', train, '--test', testFile, '--out', at('never')];
    const { stderr } = await tsrl('train', ...args, '--trusted', trusted);
    expect(stderr).toBe('tsrl: --noise-rates trusted and --trusted FILE go together; got one of them\n');
  });

  test('rates by cross-validation: what a run trained with, or why there are none', async () => {
    writeFileSync(at('clean.jsonl'), texts.map((text) => `${JSON.stringify(text)}\n`).join(''));
    const correct = ['--noise-correction', 'backward', '--noise-rates', 'confident'];
    await ppo('confident', ...correct, '--train', at('clean.jsonl'), '--false-negative-noise', 0.3);
    const [falsePositive, falseNegative] = resultOf('confident')['noiseRates'] as [number, number];
    expect(falseNegative).toBeGreaterThan(0.15);
    expect(falsePositive).toBeLessThan(falseNegative);
    writeFileSync(at('wordless.jsonl'), '{"text":"?","label":0}\n{"text":"!","label":1}\n'.repeat(4));
    const data = ['--train', at('wordless.jsonl'), '--test', testFile, '--out', at('never')];
    const { code, stderr } = await tsrl('train', '--method', 'binary-ppo', ...data, ...correct);
    expect(stderr).toMatch(
      /wordless\.jsonl: --noise-rates confident finds no rates: .+; give two numbers, or --trusted\n$/,
    );
    expect({ code, there: existsSync(at('never')) }).toEqual({ code: 2, there: false });
  });

  test('too little to cross-validate is said, and is no fault', async () => {
    writeFileSync(at('few.jsonl'), '{"text":"?","label":0}\n{"text":"!","label":1}\n'.repeat(4));
    const { stdout } = await sft('few', '--train', at('few.jsonl'));
    expect(stdout).toMatch(/\nnoise +not estimated: too few texts, or none with words\nsuspects none listed\n/);
    expect(resultOf('few')).not.toHaveProperty('labels');
  });
});

test('a real process with threads and a configuration file ends like one with flags', async () => {
  const config = at('run.json');
  const settings = { method: 'binary-ppo', refreshes: 2, refreshBatches: 2, epochs: 1, batchSize: 16, maxLength: 24 };
  writeFileSync(
    config,
    JSON.stringify({ ...settings, backend: 'wasm', seed: 3, threads: 2, train, test: testFile, klCoefficient: 0.1 }),
  );
  const first = await spawnTsrl(['train', '--config', config, '--out', out('by file')]);
  expect(first, first.stderr).toMatchObject({ code: 0 });
  await ppo('by flags', '--kl-coefficient', 0.1, '--threads', 2);
  expect(weightsOf('by file')).toBe(weightsOf('by flags'));
});
