import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import manifest from '../package.json' with { type: 'json' };
import { type Ended, hashes, readJson, spawnTsrl, temporaryFolder, timeless, tsrl, writeTexts } from './tsrl.ts';

const { version } = manifest;
const at = temporaryFolder();
const train = at('train.jsonl');
const testFile = at('test.jsonl');
const small = ['--refreshes', 3, '--epochs', 1, '--refresh-batches', 2, '--batch-size', 16, '--max-length', 24];
const data = ['--train', train, '--test', testFile, '--backend', 'wasm', '--threads', 1];
const basic = ['train', '--method', 'binary-ppo', ...data, ...small];

const out = (name: string): string => at('runs', name);
const resultOf = (name: string): Record<string, unknown> => readJson(join(out(name), 'result.json'));
const historyOf = (name: string): Record<string, unknown>[] =>
  readFileSync(join(out(name), 'history.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
const modelOf = (name: string): Record<string, string> => hashes(join(out(name), 'model'));

/** Trains in this process. */
async function run(name: string, ...args: readonly (string | number)[]): Promise<Ended> {
  const ended = await tsrl(...basic, '--out', out(name), ...args);
  expect(ended, ended.stderr).toMatchObject({ code: 0 });
  return ended;
}

let first: Ended;
beforeAll(async () => {
  writeTexts(train, 120, 1);
  writeTexts(testFile, 60, 2);
  first = await spawnTsrl([...basic, '--seed', 4, '--json', '--out', out('first')]);
  expect(first, first.stderr).toMatchObject({ code: 0 });
}, 30_000);

describe('train', () => {
  test('writes the files of a run', () => {
    expect(readdirSync(out('first')).sort()).toEqual([
      'checkpoint',
      'config.json',
      'history.jsonl',
      'model',
      'report.html',
      'result.json',
      'suspects.jsonl',
    ]);
    expect(readdirSync(join(out('first'), 'model')).sort()).toEqual([
      'config.json',
      'head.safetensors',
      'model.safetensors',
      'tokenizer.json',
      'tsrl.json',
    ]);
    expect(readFileSync(join(out('first'), 'report.html'), 'utf8')).toMatch(/^<!doctype html>/i);
  });

  test('result.json says all that the run was', () => {
    const result = resultOf('first');
    expect(result).toMatchObject({
      method: 'binary-ppo',
      seed: 4,
      backend: 'wasm',
      steps: 6,
      stopped: 'completed',
      data: { train: { examples: 108, flippedLabels: 0 }, validation: { examples: 12 }, test: { examples: 60 } },
      versions: { tsrl: version, node: process.versions.node },
    });
    const settings = ['method', 'trainable', 'policy', 'sampling', 'actions', 'baseline', 'labelNoise', 'imbalance'];
    const numbers = ['refreshes', 'epochs', 'refreshBatches', 'batchSize', 'learningRate', 'maxLength', 'seed'];
    for (const name of [...settings, ...numbers, 'backend', 'model', 'train', 'test', 'validation']) {
      expect(result['configuration'], 'the full configuration').toHaveProperty(name);
    }
    const names = [
      'accuracy',
      'balancedAccuracy',
      'sensitivity',
      'specificity',
      'precision',
      'recall',
      'f1',
      'macroF1',
    ];
    for (const name of [...names, 'mcc', 'auroc', 'averagePrecision', 'brier', 'nll', 'ece', 'confusion']) {
      expect(result['metrics']).toHaveProperty(name);
    }
    const { seconds, tokens, tokensPerSecond } = result as Record<string, number>;
    expect(tokens).toBeGreaterThan(0);
    expect(tokensPerSecond).toBeCloseTo(tokens! / seconds!, 6);
    expect(tokens).toBe(historyOf('first').at(-1)!['tokens']);
  });

  test('the history has a line per evaluation, and the kept weights are those of the best', () => {
    const history = historyOf('first');
    expect(history.map(({ refresh, step }) => [refresh, step])).toEqual([
      [1, 2],
      [2, 4],
      [3, 6],
    ]);
    const scores = history.map(({ validation }) => (validation as Record<string, number>)['balancedAccuracy']!);
    const best = scores.indexOf(Math.max(...scores));
    expect(resultOf('first')['bestStep']).toBe(history[best]!['step']);
  });

  test('--json prints result.json on standard output and nothing else; progress goes to standard error', () => {
    expect(first.stdout).toBe(readFileSync(join(out('first'), 'result.json'), 'utf8'));
    expect(first.stderr).toMatch(
      /^binary-ppo on 108 texts \(\d+ of class 1\), [\d,]+ weights, backend wasm, into .+\n/,
    );
    expect(first.stderr).toMatch(/^binary-ppo 6\/6 steps \| ETA 0s \| loss .+ \| validation balanced accuracy /m);
    expect(first.stderr).toMatch(/\ntesting on 60 texts\ncross-validating the training labels\n$/);
    expect(first.stderr).not.toContain('\r'); // nothing is redrawn where nobody looks
  });

  test('the same seed gives the same run, bit for bit, in another process; another seed another one', async () => {
    const again = await run('again', '--seed', 4);
    expect(again.stdout).toMatch(/balanced accuracy[\s\S]+report .+\nmodel .+\ntry it +npx tsrl predict --model /);
    expect(timeless(resultOf('again'))).toEqual(timeless(resultOf('first')));
    expect(historyOf('again')).toEqual(historyOf('first'));
    expect(modelOf('again')).toEqual(modelOf('first'));
    await run('other', '--seed', 5);
    expect(historyOf('other')).not.toEqual(historyOf('first'));
    expect(modelOf('other')['model.safetensors']).not.toBe(modelOf('first')['model.safetensors']);
  });

  test('CSV, other columns and other spellings of the labels give the run of the same texts', async () => {
    const spell = ['0', 'false', 'FALSE', '1', 'true', 'True'];
    const lines = readFileSync(train, 'utf8').trimEnd().split('\n');
    const rows = lines.map((line, i) => {
      const { text, label } = JSON.parse(line) as { text: string; label: number };
      return `${i},"${text.replaceAll('"', '""')}",${spell[3 * label + (i % 3)]}`;
    });
    writeFileSync(at('train.csv'), `id,body,urgent\r\n${rows.join('\r\n')}\r\n`);
    const test = readFileSync(testFile, 'utf8').replaceAll('"text":', '"body":').replaceAll('"label":', '"urgent":');
    const spelled = test.replaceAll('"urgent":1', '"urgent":true').replaceAll('"urgent":0', '"urgent":"0"');
    writeFileSync(at('test.ndjson'), spelled);
    const columns = ['--text-column', 'body', '--label-column', 'urgent'];
    await run('csv', '--seed', 4, '--train', at('train.csv'), '--test', at('test.ndjson'), ...columns);
    expect(historyOf('csv')).toEqual(historyOf('first'));
    expect(modelOf('csv')).toEqual(modelOf('first'));
    expect(resultOf('csv')['metrics']).toEqual(resultOf('first')['metrics']);
    expect(resultOf('csv')['configuration']).toMatchObject({ textColumn: 'body', labelColumn: 'urgent' });
  });

  test('--validation keeps every training text for training', async () => {
    writeTexts(at('validation.jsonl'), 30, 3);
    await run('validated', '--validation', at('validation.jsonl'));
    expect(resultOf('validated')['data']).toMatchObject({
      train: { examples: 120 },
      validation: { examples: 30 },
      test: { examples: 60 },
    });
    expect(historyOf('validated')[0]!['validation']).toMatchObject({ n: 30 });
  });

  test('--label-noise and --imbalance damage what is trained on, and nothing else', async () => {
    const labels = readFileSync(train, 'utf8').match(/"label":\d/g)!;
    const zeros = labels.filter((label) => label.endsWith('0')).length;
    const kept = Math.round(zeros / 4);
    await run('damaged', '--label-noise', 0.2, '--imbalance', 4);
    const { train: trained, validation, test } = resultOf('damaged')['data'] as Record<string, Record<string, number>>;
    expect(trained!['examples']! + validation!['examples']!).toBe(zeros + kept);
    expect(trained!['flippedLabels']).toBe(Math.round(0.2 * zeros) + Math.round(0.2 * kept));
    expect(test).toEqual((resultOf('first')['data'] as Record<string, unknown>)['test']);
  });

  test('--max-minutes ends training early, with a model and a test', async () => {
    await run('hurried', '--max-minutes', 1e-6);
    expect(resultOf('hurried')).toMatchObject({ stopped: 'time', steps: 1, metrics: { n: 60 } });
  });

  test('--force replaces a run, leaving what is not of it', async () => {
    await run('replaced', '--seed', 1);
    writeFileSync(join(out('replaced'), 'notes.txt'), 'mine');
    await run('replaced', '--seed', 4, '--force');
    expect(timeless(resultOf('replaced'))).toEqual(timeless(resultOf('first')));
    expect(readFileSync(join(out('replaced'), 'notes.txt'), 'utf8')).toBe('mine');
  });
});

describe('predict and eval agree with the run, in a process of their own', () => {
  async function expectAgreement(name: string): Promise<void> {
    const metrics = resultOf(name)['metrics'] as Record<string, number>;
    const model = join(out(name), 'model');
    const [evaluated, predicted] = await Promise.all([
      spawnTsrl(['eval', '--model', model, '--data', testFile, '--backend', 'wasm']),
      spawnTsrl(['predict', '--model', model, '--data', testFile, '--backend', 'wasm']),
    ]);
    expect(evaluated, evaluated.stderr).toMatchObject({ code: 0, stderr: '' });
    expect(predicted, predicted.stderr).toMatchObject({ code: 0, stderr: '' });

    const { metrics: found } = JSON.parse(evaluated.stdout) as { metrics: Record<string, number> };
    expect(Object.keys(found)).toEqual(Object.keys(metrics));
    for (const [metric, value] of Object.entries(metrics)) {
      if (typeof value === 'number') expect(Math.abs(found[metric]! - value), metric).toBeLessThanOrEqual(1e-6);
      else expect(found[metric], metric).toEqual(value);
    }

    // the same figures once more from the probabilities alone
    const rows = (text: string) => text.trimEnd().split('\n');
    const labelled = rows(readFileSync(testFile, 'utf8')).map(
      (line) => JSON.parse(line) as { text: string; label: 0 | 1 },
    );
    const said = rows(predicted.stdout).map(
      (line) => JSON.parse(line) as { text: string; probability: number; prediction: 0 | 1 },
    );
    expect(said.map(({ text }) => text)).toEqual(labelled.map(({ text }) => text));
    let [nll, brier, right] = [0, 0, 0];
    said.forEach(({ probability: p, prediction }, i) => {
      const { label } = labelled[i]!;
      nll -= Math.log(label === 1 ? p : 1 - p) / said.length;
      brier += (p - label) ** 2 / said.length;
      right += (prediction === label ? 1 : 0) / said.length;
      expect(prediction).toBe(p >= 0.5 ? 1 : 0);
    });
    expect(Math.abs(nll - metrics['nll']!)).toBeLessThanOrEqual(1e-6);
    expect(Math.abs(brier - metrics['brier']!)).toBeLessThanOrEqual(1e-6);
    expect(Math.abs(right - metrics['accuracy']!)).toBeLessThanOrEqual(1e-6);
  }

  test('a head', () => expectAgreement('first'));

  test('a verbalizer with words and a template of its own', async () => {
    const words = ['--positive', 'y', '1', '--negative', 'n', '--template', 'Urgent (y/n)? {text}:'];
    await run('verbalizer', '--policy', 'verbalizer', ...words, '--max-length', 40);
    await expectAgreement('verbalizer');
    expect(modelOf('verbalizer')['model.safetensors']).not.toBe(modelOf('first')['model.safetensors']);
  });

  test('one text, and the same text among others', async () => {
    const model = join(out('first'), 'model');
    const text = 'The app is "down",\nand nobody can pay';
    const alone = await tsrl('predict', '--model', model, '--text', text, '--backend', 'wasm');
    expect(alone).toMatchObject({ code: 0, stderr: '' });
    const { probability, prediction, text: echoed } = JSON.parse(alone.stdout) as Record<string, unknown>;
    expect({ echoed, lines: alone.stdout.split('\n').length }).toEqual({ echoed: text, lines: 2 });
    writeFileSync(at('others.csv'), `text\nhello\n"${text.replaceAll('"', '""')}"\n`);
    const among = await tsrl('predict', '--model', model, '--data', at('others.csv'), '--backend', 'wasm');
    const second = JSON.parse(among.stdout.split('\n')[1]!) as Record<string, unknown>;
    expect(second).toMatchObject({ text, prediction });
    expect(second['probability']).toBeCloseTo(probability as number, 6);
  });

  test('any number of threads gives the same bytes, by eval and by predict', async () => {
    const model = join(out('first'), 'model');
    writeTexts(at('large.jsonl'), 1500, 6); // 24 tokens at most of each: enough for a second thread
    for (const command of ['eval', 'predict']) {
      const args = [command, '--model', model, '--data', at('large.jsonl'), '--backend', 'wasm', '--threads'];
      const [one, two] = await Promise.all([1, 2].map((threads) => spawnTsrl([...args, threads])));
      expect(one, one!.stderr).toMatchObject({ code: 0, stderr: '' });
      expect(two).toEqual(one);
    }
  });

  test('eval takes a file of one class: what is undefined then is null, and says so', async () => {
    writeFileSync(at('ones.jsonl'), '{"text":"help","label":1}\n{"text":"now","label":"1"}\n');
    const args = ['eval', '--model', join(out('first'), 'model'), '--data', at('ones.jsonl'), '--backend', 'wasm'];
    const { code, stdout } = await tsrl(...args);
    expect(code).toBe(0);
    const { metrics } = JSON.parse(stdout) as { metrics: Record<string, unknown> };
    expect(metrics).toMatchObject({ n: 2, positives: 2, auroc: null });
    expect(metrics['undefinedMetrics']).toContain('auroc');
  });
});

describe('what is trained', () => {
  test('--model goes on from a saved model; --trainable head leaves its weights as they are, to the byte', async () => {
    const model = join(out('first'), 'model');
    await run('head', '--model', model, '--trainable', 'head', '--seed', 7);
    expect(modelOf('head')['model.safetensors']).toBe(modelOf('first')['model.safetensors']);
    expect(modelOf('head')['tokenizer.json']).toBe(modelOf('first')['tokenizer.json']);
    expect(modelOf('head')['head.safetensors']).not.toBe(modelOf('first')['head.safetensors']);
    const { parameters } = resultOf('first')['model'] as { parameters: number };
    expect(resultOf('head')['model']).toEqual({ parameters, trainable: 65 });
    await run('full', '--model', model, '--seed', 7);
    expect(modelOf('full')['model.safetensors']).not.toBe(modelOf('first')['model.safetensors']);
  });

  test('--actions sample, --baseline valueHead and --sampling are other runs of BinaryPPO', async () => {
    await run('sampled', '--seed', 4, '--actions', 'sample');
    await run('critic', '--seed', 4, '--baseline', 'value-head');
    await run('plain', '--seed', 4, '--sampling', 'plain');
    const weights = ['first', 'sampled', 'critic', 'plain'].map((name) => modelOf(name)['model.safetensors']);
    expect(new Set(weights).size).toBe(4);
    expect(historyOf('critic')[0]!['train']).toHaveProperty('value/loss');
    expect(historyOf('first')[0]!['train']).not.toHaveProperty('value/loss');
    const { parameters } = resultOf('first')['model'] as { parameters: number };
    expect(resultOf('critic')['model']).toEqual({ parameters: parameters + 65, trainable: parameters + 65 });
  });

  test('sft evaluates after every epoch', async () => {
    await run('sft', '--method', 'sft', '--refreshes', 1, '--epochs', 3);
    expect(historyOf('sft').map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
    expect(resultOf('sft')).toMatchObject({ method: 'sft', steps: 6 });
  });
});

const stories = fileURLToPath(new URL('../../../../shared/data/models/stories260K', import.meta.url));
describe.skipIf(!existsSync(stories))('stories260K of ../shared (skipped without ../shared)', () => {
  test.each(['head', 'verbalizer'])('%s', async (policy) => {
    const name = `stories-${policy}`;
    const args = ['--model', stories, '--policy', policy, '--refreshes', 1, '--max-length', 48];
    await run(name, ...args);
    const model = join(out(name), 'model');
    const { stdout } = await tsrl('eval', '--model', model, '--data', testFile, '--backend', 'wasm');
    const { metrics } = JSON.parse(stdout) as { metrics: Record<string, number> };
    expect(metrics['nll']).toBeCloseTo((resultOf(name)['metrics'] as Record<string, number>)['nll']!, 6);
  });
});

describe('a stranger', () => {
  test('finds every option with its default in the help, and the version', async () => {
    const { code, stdout } = await tsrl('train', '--help');
    expect(code).toBe(0);
    const options = [
      'method',
      'train',
      'test',
      'validation',
      'model',
      'policy',
      'label-noise',
      'imbalance',
      'refreshes',
    ];
    const more = [
      'epochs',
      'threads',
      'batch-size',
      'learning-rate',
      'max-length',
      'max-minutes',
      'backend',
      'seed',
      'resume',
    ];
    for (const option of [...options, ...more, 'force', 'json', 'out']) expect(stdout).toContain(`--${option}`);
    const words = stdout.replaceAll(/\s+/g, ' ');
    expect(words).toContain('texts in a step (default: 64)');
    expect(words).toMatch(/taken anew \(default: 1 for sft, else \d+\)/);
    expect(words).toMatch(/minibatches in a refresh \(default: all for sft, else \d+\)/);
    const help = await tsrl('--help');
    for (const command of ['quickstart', 'train', 'predict', 'eval'])
      expect(help.stdout).toMatch(RegExp(`^  ${command} `, 'm'));
    expect(await tsrl('--version')).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  test('may close the pipe: `tsrl predict ... | head` is no fault', async () => {
    writeTexts(at('many.jsonl'), 600, 5);
    const args = ['predict', '--model', join(out('first'), 'model'), '--data', at('many.jsonl'), '--backend', 'wasm'];
    const ended = await spawnTsrl(args, (child) => child.stdout!.once('data', () => child.stdout!.destroy()));
    expect(ended).toMatchObject({ code: 0, stderr: '' });
  });
});
