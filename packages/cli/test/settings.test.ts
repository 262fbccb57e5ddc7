import { readFileSync, writeFileSync } from 'node:fs';
import { adaptive, paper, ppoOnly, stable } from '@tsrl/binary-ppo';
import { backendNames } from '@tsrl/tensor';
import { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import {
  addFlags,
  checkedSettings,
  completeSettings,
  expectConsistent,
  type FieldTable,
  fields,
  files,
  flagOf,
  type GivenSettings,
  meaningful,
  methodsOf,
  noneAsNull,
  parseConfig,
  type TrainSettings,
  warningsOf,
  wordsOf,
} from '../src/settings/index.ts';
import { settingsTable } from './settings-table.ts';
import { temporaryFolder, tsrl } from './tsrl.ts';

const at = temporaryFolder();
const facts = { parameters: 400_000, minorityShare: 0.2 };
const table: FieldTable = fields;
const complete = (given: GivenSettings): TrainSettings => completeSettings(given, facts);
const message = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    return (error as Error).message;
  }
  return 'no error';
};

describe('the table', () => {
  test('every field is complete: a default that the schema takes, or a way to come by one', () => {
    const defaults = Object.entries(table).filter(([, field]) => field.default !== undefined);
    expect(
      checkedSettings(Object.fromEntries(defaults.map(([key, { default: value }]) => [key, value])) as never, {
        file: 'defaults',
      }),
    ).toEqual(Object.fromEntries(defaults.map(([key, { default: value }]) => [key, value])));
    for (const method of wordsOf(fields.method) as TrainSettings['method'][]) {
      const settings = complete({ method });
      expect(Object.keys(settings).sort()).toEqual(Object.keys(fields).sort());
      expect(Object.entries(settings).filter(([, value]) => value === undefined)).toEqual([]);
      expect(checkedSettings(settings as never, { file: 'complete' })).toEqual(settings);
    }
  });

  test('what a field needs is there, and is a choice or a method', () => {
    for (const { needs = {} } of Object.values(table)) {
      for (const [other, values] of Object.entries(needs)) {
        const field = table[other]!;
        expect(field.kind).toBe('choice');
        for (const value of values) expect(wordsOf(field as { of: readonly string[] })).toContain(value);
      }
    }
    expect(methodsOf('rewardFloor')).toEqual(['binary-ppo']);
    expect(methodsOf('beta')).toEqual(['bco']);
    expect(methodsOf('epochs')).toBeUndefined();
  });

  test('the backends are those of @tsrl/tensor', () => {
    expect(fields.backend.of).toEqual(['auto', ...backendNames]);
  });

  test('the presets are those of @tsrl/binary-ppo', () => {
    const as = { analytic: 'analytic', valueHead: 'value-head' } as const;
    for (const [preset, options] of Object.entries({ stable, paper, 'ppo-only': ppoOnly } as const)) {
      const settings = complete({ method: 'binary-ppo', preset: preset as TrainSettings['preset'] });
      expect(settings).toMatchObject({
        actions: options.actions,
        baseline: as[options.baseline as keyof typeof as],
        normalize: options.normalize,
        clipLow: options.clipLow,
        clipHigh: options.clipHigh,
        valueCoefficient: options.valueCoefficient,
        supervisedCoefficient: options.supervisedCoefficient,
        entropyCoefficient: options.entropyCoefficient,
        klCoefficient: options.klCoefficient,
      });
      // The reward is a function: it is known by what it gives.
      const { reward, kappa, rewardCap } = settings;
      const named = {
        'log-complement': (z: number) => Math.log1p(Math.exp(z)),
        printed: (z: number) => -Math.log1p(Math.exp(-z)),
      };
      for (const logit of [-30, -1, 0.3, 2, 30]) {
        const confidence = named[reward as keyof typeof named](logit);
        const capped = Math.sign(confidence) * Math.min(Math.abs(confidence), rewardCap!);
        expect(options.reward!({ action: 1, label: 1, logit })).toBeCloseTo(kappa * capped, 10);
      }
    }
  });

  test('adaptive: its loss is that of @tsrl/binary-ppo, its labels are beliefs, by anchors unless rates are given', () => {
    const { preset, supervisedCoefficient, ...settings } = complete({ method: 'binary-ppo', preset: 'adaptive' });
    const weight = adaptive(10).supervisedCoefficient as (step: number) => number;
    expect([weight(0), weight(10)]).toEqual([supervisedCoefficient, 0]);
    const changed = { supervisedAnneal: true, labels: 'posterior', noiseRates: 'anchors' };
    expect(complete({ method: 'binary-ppo' })).toMatchObject({
      ...settings,
      supervisedAnneal: false,
      labels: 'observed',
      noiseRates: null,
    });
    expect(settings).toMatchObject(changed);
    const rates = [0.1, 0.2] as const;
    expect(complete({ method: 'binary-ppo', preset: 'adaptive', noiseRates: rates }).noiseRates).toEqual(rates);
    for (const preset of ['stable', 'adaptive'] as const) expectConsistent({ method: 'binary-ppo', preset });
    expect(complete({ method: 'sft', labels: 'posterior' }).noiseRates).toBe('anchors');
    expect(complete({ method: 'sft' }).noiseRates).toBeNull();
  });

  test('what was given wins over preset and default', () => {
    expect(complete({ method: 'binary-ppo', preset: 'paper', kappa: 3, clipLow: 0.1 })).toMatchObject({
      reward: 'printed',
      kappa: 3,
      clipLow: 0.1,
      clipHigh: 0.1,
    });
    expect(complete({ method: 'sft', costFalseNegative: 5 }).threshold).toBe('costs');
    expect(complete({ method: 'binary-ppo', costFalseNegative: 5 }).threshold).toBe('half');
    expect(complete({ method: 'binary-ppo' }).sampling).toBe('balanced');
    expect(complete({ method: 'binary-ppo', classWeights: 'balanced' }).sampling).toBe('plain');
    expect(complete({ method: 'sft' }).sampling).toBe('plain');
    const rates = (['full', 'lora', 'head'] as const).map(
      (trainable) => complete({ method: 'sft', trainable }).learningRate,
    );
    expect(rates).toEqual([0.00079, 0.0079, 0.01]);
  });

  test('the README shows the table', () => {
    expect(readFileSync(new URL('../README.md', import.meta.url), 'utf8')).toContain(settingsTable());
  });
});

describe('a configuration file', () => {
  const yaml = `# a comment
methods:
  ppo:
    method: binary-ppo
    clipLow: 2
`;
  const within = (text: string, ...path: string[]): string => {
    const file = parseConfig('study.yaml', text);
    const json = path.reduce<unknown>((part, key) => (part as Record<string, unknown>)[key], file.json);
    return message(() => checkedSettings(json as never, { ...file, path }));
  };

  test('names file, line and path of what is wrong', () => {
    expect(within(yaml, 'methods', 'ppo')).toBe('study.yaml:5: methods.ppo.clipLow must be in (0, 1); got 2');
    expect(within('{\n  "epochs": 1.5\n}')).toBe('study.yaml:2: epochs must be an integer of at least 1; got 1.5');
    const cases: [string, string][] = [
      ['method: dpo', 'method must be binary-ppo, sft or bco; got "dpo"'],
      ['rewardCap: 0', 'rewardCap must be positive, or none; got 0'],
      ['rewardCap: .inf', 'rewardCap must be positive, or none; got Infinity'],
      ['positive: yes', 'positive must be a list of texts that are not empty; got "yes"'],
      ['calibrate: 1', 'calibrate must be true or false; got 1'],
      [
        'noiseRates: [0.1]',
        'noiseRates must be anchors, confident, trusted or two numbers in [0, 1), or none; got [0.1]',
      ],
      [
        'noiseRates: [0.1, 1]',
        'noiseRates must be anchors, confident, trusted or two numbers in [0, 1), or none; got [0.1,1]',
      ],
      ['template: ""', 'template must be a text that is not empty; got ""'],
      ['seed: 1e300', 'seed must be an integer, and less than 2^53; got 1e+300'],
      ['imbalance: "4"', 'imbalance must be at least 1, or none; got "4"'],
      ['cliplow: 0.1', 'cliplow is not known; did you mean clipLow?'],
      ['clip-low: 0.1', 'clip-low is not known; did you mean clipLow?'],
      ['batch_sise: 3', 'batch_sise is not known; did you mean batchSize?'],
      ['zzzzzzzz: 3', 'zzzzzzzz is not known'],
      ['tua: 3', 'tua is not known; did you mean tau?'],
      ['m: 3', 'm is not known'],
      ['1: 3', '1 is not known'],
      ['<<: {seed: 1}', '<< is not known'],
      [': 3', '"" is not known'],
      ['__proto__: 3', '__proto__ is not known'],
      ['seed: 9007199254740993', 'seed must be an integer, and less than 2^53; got 9007199254740992'],
    ];
    for (const [text, problem] of cases) expect(within(text)).toBe(`study.yaml:1: ${problem}`);
    expect(within('- 1')).toBe('study.yaml:1: the file must be an object with settings; got [1]');
    const files: [string, string][] = [
      ['{"a": 1,\n "a": 2}', ':2: "a" stands here twice: keys must be unique'],
      ['seed: 1\nseed : 2\n', ':2: seed stands here twice: keys must be unique'],
      ['', ': the file is empty'],
      ['# nothing\n', ': the file is empty'],
      ['seed: 1\n---\nseed: 2\n', ':2: a second document begins here; a configuration is one'],
      ['seed: 1\n? [a]\n: 2\n', ':2: a key must be a word; got a list or an object'],
      ['epochs: 1\nseed: *b\n', ':2: *b stands for nothing: no &b goes before it'],
      ['epochs: 1\npositive: &x [*x]\n', ':2: *x stands within what it stands for'],
      ['a:\n\tb: 1\n', ':2: is neither YAML nor JSON: Tabs are not allowed as indentation'],
    ];
    for (const [text, problem] of files) expect(message(() => parseConfig('a', text))).toBe(`a${problem}`);
    const bomb = ['a', 'b', 'c', 'd'].map(
      (key, i, all) => `${key}: &${key} [${Array(9).fill(i === 0 ? 'x' : `*${all[i - 1]}`)}]\n`,
    );
    expect(message(() => parseConfig('a', bomb.join('')))).toMatch(/^a: cannot be read: /);
    expect(message(() => parseConfig('a.yaml', 'a: [1,\nb: 2'))).toMatch(/^a\.yaml:\d: is neither YAML nor JSON: /);
  });

  test('takes what flags take; `none` and its like are null', () => {
    const { json, ...place } = parseConfig(
      'run.yaml',
      'method: binary-ppo\nrewardCap: none\nrefreshBatches: all\nnoiseRates: [0.1, 0.2]\npositive: [yes, "on"]\nrenormalize: false\n',
    );
    expect(checkedSettings(json, place)).toEqual({
      method: 'binary-ppo',
      rewardCap: null,
      refreshBatches: null,
      noiseRates: [0.1, 0.2],
      positive: ['yes', 'on'],
      renormalize: false,
    });
  });

  test('of tsrl train: flags outvote it, it may name the files, and both together must be whole', async () => {
    const config = at('run.yaml');
    writeFileSync(config, `method: sft\ntest: ${at('test.jsonl')}\nbatchSize: none\n`);
    const run = (...args: string[]) => tsrl('train', '--config', config, ...args);
    expect((await run()).stderr).toBe(`${config}:3: batchSize must be an integer of at least 1; got "none"\n`);
    writeFileSync(config, `method: sft\ntest: ${at('test.jsonl')}\nepochs: 0.5\n`);
    expect((await run('--epochs', '2')).stderr).toBe(`${config}:3: epochs must be an integer of at least 1; got 0.5\n`);
    writeFileSync(config, `method: sft\ntest: ${at('test.jsonl')}\nkappa: 2\n`);
    expect((await run()).stderr).toMatch(/^error: required option '--train <file>' not specified\n/);
    const rest = ['--train', at('none.jsonl'), '--out', at('run')];
    expect((await run(...rest)).stderr).toBe(
      `${config}:3: kappa must be left away with method sft: it belongs to method binary-ppo; got 2\n`,
    );
    // who is at fault is named as it was given
    expect((await run(...rest, '--kappa', '3')).stderr).toBe(
      'tsrl: --kappa must be left away with method sft: it belongs to method binary-ppo; got 3\n',
    );
    // binary-ppo by flag: kappa means something, and the next problem is the file that is not there
    expect((await run(...rest, '--method', 'binary-ppo')).stderr).toBe(`${at('none.jsonl')}: there is no such file\n`);
    writeFileSync(config, 'method: binary-ppo\nnoiseCorrection: backward\n');
    const { stderr } = await run('--test', at('test.jsonl'), ...rest);
    expect(stderr.startsWith(`${config}: noiseRates must be given for noiseCorrection`), stderr).toBe(true);
    writeFileSync(config, 'method: sft\nresume: true\n');
    expect((await run()).stderr).toBe(`${config}:2: resume belongs to the command, as --resume\n`);
    writeFileSync(config, Uint8Array.of(0x6d, 0xe9, 0x3a, 0x20, 0x31));
    expect((await run()).stderr).toBe(`${config}: expected UTF-8; the file holds other bytes\n`);
    expect((await tsrl('train', '--config', at(''))).stderr).toBe(`${at('')}: expected a file; this is a directory\n`);
    expect((await tsrl('train', '--config', at('none.yaml'))).stderr).toBe(
      `${at('none.yaml')}: there is no such file\n`,
    );
  });
});

describe('contradictions', () => {
  const cases: [Partial<TrainSettings> & Pick<TrainSettings, 'method'>, string][] = [
    [
      { method: 'sft', rewardCap: 3 },
      '--reward-cap must be left away with --method sft: it belongs to --method binary-ppo; got 3',
    ],
    [
      { method: 'binary-ppo', rewardFloor: 0.2 },
      '--reward-floor must be left away with --reward log-complement: it belongs to --reward margin-floor; got 0.2',
    ],
    [
      { method: 'binary-ppo', preset: 'paper', reward: 'prob', rewardCap: 3 },
      '--reward-cap must be left away with --reward prob: it belongs to --reward log-complement, surprise, printed or log-score; got 3',
    ],
    [
      { method: 'bco', loss: 'mae' },
      '--loss must be left away with --method bco: it belongs to --method sft or binary-ppo; got "mae"',
    ],
    [{ method: 'sft', beta: 1 }, '--beta must be left away with --method sft: it belongs to --method bco; got 1'],
    [
      { method: 'sft', q: 0.5 },
      '--q must be left away with --loss cross-entropy: it belongs to --loss generalized-cross-entropy; got 0.5',
    ],
    [
      { method: 'sft', loraRank: 4 },
      '--lora-rank must be left away with --trainable full: it belongs to --trainable lora; got 4',
    ],
    [
      { method: 'sft', calibrate: true },
      '--calibrate must be left away with --policy head: it belongs to --policy verbalizer; got true',
    ],
    [
      { method: 'binary-ppo', valueCoefficient: 1 },
      '--value-coefficient must be left away with --baseline analytic: it belongs to --baseline value-head; got 1',
    ],
    [
      { method: 'binary-ppo', actions: 'label', baseline: 'none' },
      '--baseline must be analytic with --actions label; got "none"',
    ],
    [
      { method: 'sft', loss: 'forward-corrected' },
      '--noise-rates must be given for --noise-correction, --loss forward-corrected, --labels posterior and --reward-temper noise; got null',
    ],
    [
      { method: 'sft', noiseRates: [0.1, 0.1] },
      '--noise-rates must be used, by --noise-correction, --loss forward-corrected, --labels posterior or --reward-temper noise, or left away; got [0.1,0.1]',
    ],
    [
      { method: 'binary-ppo', reward: 'tempered', rewardTemper: null },
      '--noise-rates must be given for --noise-correction, --loss forward-corrected, --labels posterior and --reward-temper noise; got null',
    ],
    [
      { method: 'binary-ppo', reward: 'tempered', rewardTemper: 0.3, noiseRates: [0.1, 0.1] },
      '--noise-rates must be used, by --noise-correction, --loss forward-corrected, --labels posterior or --reward-temper noise, or left away; got [0.1,0.1]',
    ],
    [
      { method: 'binary-ppo', rewardTemper: 0.3 },
      '--reward-temper must be left away with --reward log-complement: it belongs to --reward tempered; got 0.3',
    ],
    [
      { method: 'bco', labels: 'posterior' },
      '--labels must be left away with --method bco: it belongs to --method sft or binary-ppo; got "posterior"',
    ],
    [
      { method: 'binary-ppo', labels: 'posterior', noiseCorrection: 'backward', noiseRates: 'confident' },
      '--labels must be observed with --noise-correction, --loss forward-corrected or --reward-temper noise, which meet wrong labels already; got "posterior"',
    ],
    [
      {
        method: 'binary-ppo',
        labels: 'posterior',
        reward: 'tempered',
        rewardTemper: null,
        noiseRates: [0.1, 0.1],
      },
      '--labels must be observed with --noise-correction, --loss forward-corrected or --reward-temper noise, which meet wrong labels already; got "posterior"',
    ],
    [
      { method: 'binary-ppo', noiseCorrection: 'backward', noiseRates: [0.5, 0.5] },
      '--noise-rates must be two rates that sum to less than 1, for beyond that the label says the opposite; got [0.5,0.5]',
    ],
    [
      { method: 'binary-ppo', noiseCorrection: 'forward', noiseRates: [0.1, 0.2], noisePrior: 'estimated' },
      '--noise-prior must be half or policy where --noise-rates are numbers; got "estimated"',
    ],
    [
      { method: 'sft', labelNoise: 0.1, falsePositiveNoise: 0.1 },
      '--label-noise must be left away with --false-positive-noise or --false-negative-noise; got 0.1',
    ],
    [
      { method: 'sft', falsePositiveNoise: 0.5, falseNegativeNoise: 0.5 },
      '--false-positive-noise must be less than 1 together with --false-negative-noise; got 0.5',
    ],
    [
      { method: 'sft', threshold: 'costs' },
      '--threshold must be half or validation where no gain or cost differs from 1; got "costs"',
    ],
  ];
  test.each(cases)('%j', (given, problem) => {
    expect(message(() => expectConsistent(given))).toBe(`tsrl: ${problem}`);
  });

  test('none where settings belong together, and what means nothing is no part of a run', () => {
    const given: GivenSettings = {
      method: 'binary-ppo',
      preset: 'paper',
      rewardCap: 3,
      valueCoefficient: 1,
      samplesPerExample: 2,
      noiseCorrection: 'forward',
      noiseRates: 'confident',
      noisePrior: 'policy',
    };
    expectConsistent(given);
    const run = meaningful(complete(given));
    expect(run).toMatchObject(given);
    for (const key of ['beta', 'rewardFloor', 'loraRank', 'calibrate', 'q']) expect(run).not.toHaveProperty(key);
    expectConsistent(run as GivenSettings); // and so a run can be repeated from what it was
    expect(meaningful(complete({ method: 'sft' }))).not.toHaveProperty('reward');
  });

  test('what is allowed and hardly meant is warned of, once each', () => {
    const warned = (given: GivenSettings): string[] => warningsOf(complete(given));
    expect(warned({ method: 'binary-ppo' })).toEqual([]);
    expect(warned({ method: 'sft', sampling: 'balanced' })).toEqual([]);
    const one = (given: GivenSettings, pattern: RegExp): void => {
      const warnings = warned(given);
      expect(warnings).toHaveLength(1);
      expect(warnings[0]).toMatch(pattern);
    };
    one({ method: 'sft', sampling: 'balanced', classWeights: 'balanced' }, /count the smaller class twice/);
    one({ method: 'binary-ppo', reward: 'printed' }, /earns most for the wrong class/);
    one({ method: 'binary-ppo', refreshes: 1, clipHigh: 0.3 }, /moves by about 0.3 at most/);
    one({ method: 'binary-ppo', costFalseNegative: 5 }, /move the decision twice/);
    one({ method: 'binary-ppo', costFalseNegative: 5, sampling: 'plain', threshold: 'costs' }, /counts them twice/);
    one({ method: 'sft', loss: 'logit-adjusted', sampling: 'balanced' }, /do it twice/);
    expect(warned({ method: 'binary-ppo', costFalseNegative: 5, sampling: 'plain' })).toEqual([]);
  });
});

describe('flags', () => {
  async function parsed(...args: string[]): Promise<Record<string, unknown>> {
    const command = addFlags(new Command().exitOverride().configureOutput({ writeErr: () => {} }), {
      ...files,
      ...fields,
    });
    await command.parseAsync(args, { from: 'user' });
    return noneAsNull(command.opts(), { ...files, ...fields });
  }

  test('are the keys in kebab-case, and give what a file would', async () => {
    expect(flagOf('falsePositiveNoise')).toBe('--false-positive-noise');
    expect(
      await parsed(
        '--clip-low',
        '0.1',
        '--reward-cap',
        'none',
        '--noise-rates',
        '0.1',
        '0.2',
        '--positive',
        'a',
        'b',
        '--calibrate',
        '--no-renormalize',
        '--train',
        'x',
      ),
    ).toEqual({
      clipLow: 0.1,
      rewardCap: null,
      noiseRates: [0.1, 0.2],
      positive: ['a', 'b'],
      calibrate: true,
      renormalize: false,
      train: 'x',
    });
    expect(await parsed('--noise-rates', 'trusted')).toMatchObject({ noiseRates: 'trusted' });
    await expect(parsed('--noise-rates', 'often')).rejects.toThrow('tsrl: --noise-rates must be a number; got "often"');
    await expect(parsed('--dual-clip', 'off')).rejects.toThrow(
      'tsrl: --dual-clip must be a number, or none; got "off"',
    );
  });

  test('the help has each once, under its heading, within the width, with no line that ends in a blank', async () => {
    let help = '';
    const command = addFlags(new Command(), { ...files, ...fields }).configureOutput({
      getOutHelpWidth: () => 100,
      writeOut: (text) => {
        help += text;
      },
    });
    command.outputHelp();
    const lines = help.split('\n');
    for (const key of Object.keys({ ...files, ...fields })) {
      const name = key === 'renormalize' ? '--no-renormalize' : flagOf(key); // the only one that is on by default
      expect(
        lines.filter((line) => line.startsWith(`  ${name} `)),
        key,
      ).toHaveLength(1);
    }
    for (const line of lines) {
      expect(line.length).toBeLessThanOrEqual(100);
      expect(line).toBe(line.trimEnd());
    }
    for (const { help: text } of Object.values(table)) {
      expect(help.replaceAll(/\s+/g, ' ')).toContain(text);
    }
  });
});
