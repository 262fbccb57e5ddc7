import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeSnapshot } from '@tsrl/training';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Ended, hashes, readJson, spawnTsrl, temporaryFolder, tsrl, writeTexts } from './tsrl.ts';

// Whatever is wrong with the input: exit code 2, one line that says where and what, nothing on standard output, and
// every file of an earlier run as it was, even where the user asked for it to be replaced.

const at = temporaryFolder();
const run = at('run');
const model = join(run, 'model');
const train = at('train.jsonl');
const testFile = at('test.jsonl');
const small = [
  '--refreshes',
  1,
  '--epochs',
  1,
  '--batch-size',
  16,
  '--max-length',
  16,
  '--backend',
  'wasm',
  '--threads',
  1,
];

let before: Record<string, string>;
beforeAll(async () => {
  writeTexts(train, 40, 1);
  writeTexts(testFile, 30, 2);
  const ended = await tsrl('train', '--method', 'sft', '--train', train, '--test', testFile, ...small, '--out', run);
  expect(ended, ended.stderr).toMatchObject({ code: 0 });
  before = hashes(run);
});

/** One line on standard error, and nothing else happened. */
function expectRefused({ code, stdout, stderr }: Ended, message: string): void {
  expect(stderr).toBe(`${message}\n`);
  expect(code).toBe(2);
  expect(stdout).toBe('');
  expect(hashes(run)).toEqual(before);
}

const trainOn = (...args: readonly (string | number)[]): Promise<Ended> =>
  tsrl('train', '--method', 'sft', '--test', testFile, ...small, '--out', run, '--force', ...args);

const good = '{"text":"all is well","label":0}\n{"text":"help","label":1}\n';

describe('data', () => {
  const file = (name: string): string => at(name);
  // name, content, what the message says behind the name of the file
  const cases: [string, string, string | Uint8Array, string][] = [
    ['empty', 'jsonl', '', ': the file is empty'],
    ['blank lines only', 'jsonl', '\n \r\n\n', ': the file is empty'],
    [
      'not JSON',
      'jsonl',
      `${good}{"text": oops}\n`,
      ':3: expected a JSON object; got "{\\"text\\": oops}", which is not JSON',
    ],
    ['not an object', 'jsonl', `${good}\n[1]\n`, ':4: expected a JSON object; got [1]'],
    ['no label', 'jsonl', `${good}{"text":"a"}\n`, ':3: expected a column "label"; the columns here are: "text"'],
    [
      'no text',
      'jsonl',
      `{"txt":"a","label":1}\n`,
      ':1: expected a column "text"; the columns here are: "txt", "label"',
    ],
    ['label 2', 'jsonl', `${good}{"text":"a","label":2}\n`, ':3: "label" must be 0, 1, true or false; got 2'],
    ['label 0.5', 'jsonl', `${good}{"text":"a","label":0.5}\n`, ':3: "label" must be 0, 1, true or false; got 0.5'],
    ['label yes', 'jsonl', `${good}{"text":"a","label":"yes"}\n`, ':3: "label" must be 0, 1, true or false; got "yes"'],
    ['label null', 'jsonl', `${good}{"text":"a","label":null}\n`, ':3: "label" must be 0, 1, true or false; got null'],
    ['text empty', 'jsonl', `${good}{"text":"","label":1}\n`, ':3: "text" must hold text; got ""'],
    ['text blank', 'jsonl', `${good}{"text":" \\n","label":1}\n`, ':3: "text" must hold text; got " \\n"'],
    ['text a number', 'jsonl', `${good}{"text":7,"label":1}\n`, ':3: "text" must be a string; got 7'],
    ['one class', 'jsonl', '{"text":"a","label":1}\n'.repeat(5), ': expected labels of both classes; all 5 are 1'],
    ['the other class', 'csv', 'text,label\na,0\nb,0\n', ': expected labels of both classes; all 2 are 0'],
    [
      'not UTF-8',
      'jsonl',
      Uint8Array.of(...Buffer.from(good), 0xff, 10),
      ':3: expected UTF-8; this line holds other bytes',
    ],
    ['header only', 'csv', 'text,label\n', ': the file has a header and no rows'],
    [
      'no label column',
      'csv',
      'text,class\na,1\n',
      ':1: expected a column "label"; the columns here are: "text", "class"',
    ],
    ['too many fields', 'csv', 'text,label\na,1\nb,c,0\n', ':3: expected 2 fields like the header; got 3'],
    ['open quote', 'csv', 'text,label\na,1\n"b,0\n', ':3: a quoted field of this row is never closed'],
    ['another extension', 'xlsx', good, ': expected a file that ends in .jsonl, .ndjson, .csv or .tsv'],
  ];

  test.each(cases)('train: %s', async (name, extension, content, message) => {
    const path = file(`${name.replaceAll(' ', '-')}.${extension}`);
    writeFileSync(path, content);
    expectRefused(await trainOn('--train', path), path + message);
  });

  test.each(['--train', '--test', '--validation'])('%s: every file of a run is looked at', async (option) => {
    const others = { '--train': train, '--test': testFile };
    const refused = (path: string): Promise<Ended> => trainOn(...Object.entries({ ...others, [option]: path }).flat());
    expectRefused(await refused(at('none.jsonl')), `${at('none.jsonl')}: there is no such file`);
    mkdirSync(at('folder.jsonl'), { recursive: true });
    expectRefused(await refused(at('folder.jsonl')), `${at('folder.jsonl')}: expected a file; this is a directory`);
    writeFileSync(at('bad.jsonl'), `${good}{"text":"a","label":"maybe"}\n`);
    const problem = '"label" must be 0, 1, true or false; got "maybe"';
    expectRefused(await refused(at('bad.jsonl')), `${at('bad.jsonl')}:3: ${problem}`);
    writeFileSync(at('single.jsonl'), '{"text":"a","label":0}\n');
    expectRefused(
      await refused(at('single.jsonl')),
      `${at('single.jsonl')}: expected labels of both classes; all 1 are 0`,
    );
  });

  test.skipIf(process.getuid?.() === 0)('unreadable (skipped for root, who may read everything)', async () => {
    writeFileSync(at('locked.jsonl'), good);
    chmodSync(at('locked.jsonl'), 0);
    expectRefused(
      await trainOn('--train', at('locked.jsonl')),
      `${at('locked.jsonl')}: the file may not be read (permission denied)`,
    );
  });

  test('too few texts to split validation texts off, as they are and after a cut', async () => {
    writeFileSync(at('pair.jsonl'), good);
    const expected =
      'expected two texts or more of each class, to split off validation texts (or a file for --validation)';
    expectRefused(
      await trainOn('--train', at('pair.jsonl')),
      `${at('pair.jsonl')}: ${expected}; got 1 of class 0 and 1 of class 1`,
    );
    const zeros = readFileSync(train, 'utf8').match(/"label":0/g)!.length;
    expectRefused(
      await trainOn('--train', train, '--imbalance', 1000),
      `${train}: ${expected}; got ${zeros} of class 0 and 1 of class 1 after --imbalance 1000`,
    );
  });

  test('threads of predict and eval', async () => {
    for (const rest of [
      ['predict', '--text', 'hello'],
      ['eval', '--data', testFile],
    ]) {
      expectRefused(
        await tsrl(...rest, '--model', join(run, 'model'), '--threads', 0),
        'tsrl: --threads must be an integer of at least 1; got 0',
      );
    }
  });

  test('predict and eval', async () => {
    writeFileSync(at('bad.jsonl'), `${good}{"text":""}\n`);
    const path = at('bad.jsonl');
    expectRefused(await tsrl('predict', '--model', model, '--data', path), `${path}:3: "text" must hold text; got ""`);
    expectRefused(
      await tsrl('eval', '--model', model, '--data', path),
      `${path}:3: expected a column "label"; the columns here are: "text"`,
    );
    expectRefused(
      await tsrl('eval', '--model', model, '--data', at('none.csv')),
      `${at('none.csv')}: there is no such file`,
    );
    expectRefused(
      await tsrl('predict', '--model', model, '--data', path, '--text-column', 'body'),
      `${path}:1: expected a column "body"; the columns here are: "text", "label"`,
    );
  });
});

describe('a model directory', () => {
  const copy = at('copy');
  beforeEach(() => {
    rmSync(copy, { recursive: true, force: true });
    cpSync(model, copy, { recursive: true });
  });
  const inCopy = (name: string): string => join(copy, name);
  const edit = (name: string, change: (json: Record<string, unknown>) => object): void =>
    writeFileSync(inCopy(name), JSON.stringify(change(readJson(inCopy(name)))));

  /** `model.safetensors` with another header, or other data. */
  type Header = Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;
  function editWeights(name: string, change: (header: Header, data: Buffer) => Buffer | undefined): void {
    const bytes = readFileSync(inCopy(name));
    const length = Number(bytes.readBigUInt64LE());
    const header = JSON.parse(bytes.subarray(8, 8 + length).toString()) as Header;
    const data = Buffer.from(bytes.subarray(8 + length));
    const changed = change(header, data) ?? data;
    const text = Buffer.from(JSON.stringify(header));
    const prefix = Buffer.alloc(8);
    prefix.writeBigUInt64LE(BigInt(text.length));
    writeFileSync(inCopy(name), Buffer.concat([prefix, text, changed]));
  }
  const first = (header: Header): string => Object.keys(header).find((name) => name !== '__metadata__')!;
  const claim = (bytes: bigint): Buffer => {
    const prefix = Buffer.alloc(16);
    prefix.writeBigUInt64LE(bytes);
    return prefix;
  };

  // what is done to the directory, the file that the message names, and what it says of it
  const cases: [string, () => void, string, string | RegExp][] = [
    ['without config', () => rmSync(inCopy('config.json')), 'config.json', 'no such file'],
    [
      'without weights',
      () => rmSync(inCopy('model.safetensors')),
      'model.safetensors',
      'no such file, nor its .index.json',
    ],
    [
      'without tokenizer',
      () => rmSync(inCopy('tokenizer.json')),
      'tokenizer.json',
      'no such file, nor vocab.json and merges.txt beside it',
    ],
    ['whose config is no JSON', () => writeFileSync(inCopy('config.json'), '{'), 'config.json', 'not JSON'],
    [
      'of an unknown architecture',
      () => edit('config.json', (json) => ({ ...json, model_type: 'mamba' })),
      'config.json',
      'model_type "mamba" is not supported; only llama, mistral, bert',
    ],
    [
      'whose config lacks a size',
      () => edit('config.json', ({ hidden_size, ...json }) => json),
      'config.json',
      'hidden_size must be a positive integer; got undefined',
    ],
    [
      'whose weights are cut within the length',
      () => writeFileSync(inCopy('model.safetensors'), readFileSync(inCopy('model.safetensors')).subarray(0, 5)),
      'model.safetensors',
      'a safetensors file starts with 8 bytes of header length; this one has 5',
    ],
    [
      'whose weights are cut within the header',
      () => writeFileSync(inCopy('model.safetensors'), readFileSync(inCopy('model.safetensors')).subarray(0, 100)),
      'model.safetensors',
      /^the header claims \d+ bytes, but the file ends after 92 of them: truncated$/,
    ],
    [
      'whose weights are cut within the data',
      () => editWeights('model.safetensors', (_, data) => data.subarray(0, -10)),
      'model.safetensors',
      'truncated: 10 bytes are missing',
    ],
    [
      'whose header claims many gigabytes',
      () => writeFileSync(inCopy('model.safetensors'), claim(2n ** 40n)),
      'model.safetensors',
      `the header claims ${2n ** 40n} bytes; at most 100000000 are allowed`,
    ],
    [
      'whose header claims more than a number can hold',
      () => writeFileSync(inCopy('model.safetensors'), claim(2n ** 64n - 1n)),
      'model.safetensors',
      `the header claims ${2n ** 64n - 1n} bytes; at most 100000000 are allowed`,
    ],
    [
      'whose header is longer than the file',
      () => writeFileSync(inCopy('model.safetensors'), claim(99_000_000n)),
      'model.safetensors',
      'the header claims 99000000 bytes, but the file ends after 8 of them: truncated',
    ],
    [
      'whose header is no JSON',
      () => writeFileSync(inCopy('model.safetensors'), claim(8n)),
      'model.safetensors',
      'the header is not JSON',
    ],
    [
      'whose tensors reach beyond the file',
      () =>
        editWeights('model.safetensors', (header) => {
          const entry = header[first(header)]!;
          entry.shape = [1_000_000_000, 4];
          entry.data_offsets = [0, 16_000_000_000];
          return undefined;
        }),
      'model.safetensors',
      /^tensor ".+" overlaps the one before it$|^truncated: \d+ bytes are missing$/,
    ],
    [
      'whose tensors overlap',
      () =>
        editWeights('model.safetensors', (header) => {
          const later = Object.values(header).filter(({ data_offsets: [begin] = [0] }) => begin > 0);
          for (const entry of later) entry.data_offsets = entry.data_offsets.map((x) => x - 4) as [number, number];
          return undefined;
        }),
      'model.safetensors',
      /^tensor ".+" overlaps the one before it$/,
    ],
    [
      'whose shape and bytes differ',
      () =>
        editWeights('model.safetensors', (header) => {
          header['model.norm.weight']!.shape = [63];
          return undefined;
        }),
      'model.safetensors',
      'tensor "model.norm.weight": F32 [63] takes 252 bytes, but data_offsets span 256',
    ],
    [
      'with weights that are not numbers',
      () =>
        editWeights('model.safetensors', (header, data) => {
          data.writeFloatLE(Number.NaN, header['model.norm.weight']!.data_offsets[0] + 8);
          return data;
        }),
      'model.safetensors',
      'tensor "model.norm.weight" has NaN at element 2; weights are finite',
    ],
    [
      'without one of its tensors',
      () => edit('config.json', (json) => ({ ...json, num_hidden_layers: 3 })),
      'model.safetensors',
      /^tensor "model\.layers\.2\..+" is missing, which the model of .+config\.json needs$/,
    ],
    [
      'whose tokenizer has ids outside the vocabulary',
      () =>
        edit('tokenizer.json', (json) => {
          const { vocab, ...rest } = json['model'] as { vocab: Record<string, number> };
          return { ...json, model: { ...rest, vocab: { ...vocab, e: 70_000 } } };
        }),
      'tokenizer.json',
      /^token "e" has id 70000; the model knows ids below \d+$/,
    ],
  ];

  test.each(cases)('%s', async (_, damage, name, message) => {
    damage();
    for (const ended of [
      await trainOn('--train', train, '--model', copy),
      await tsrl('predict', '--model', copy, '--text', 'tree eee'),
      await tsrl('eval', '--model', copy, '--data', testFile),
    ]) {
      const prefix = `${inCopy(name)}: `;
      expect(ended.stderr.startsWith(prefix), ended.stderr).toBe(true);
      const said = ended.stderr.slice(prefix.length, -1);
      if (typeof message === 'string') expect(said).toBe(message);
      else expect(said).toMatch(message);
      expectRefused(ended, prefix + said);
    }
  });

  test('that is not there', async () => {
    rmSync(copy, { recursive: true });
    expectRefused(await trainOn('--train', train, '--model', copy), `${inCopy('config.json')}: no such file`);
    const missing = `${inCopy('tsrl.json')}: no such file`;
    expectRefused(await tsrl('predict', '--model', copy, '--text', 'tree eee'), missing);
    expectRefused(await tsrl('eval', '--model', copy, '--data', testFile), missing);
  });

  test('a head that is missing or damaged, or a policy that is none', async () => {
    const predict = (): Promise<Ended> => tsrl('predict', '--model', copy, '--text', 'hello');
    edit('tsrl.json', (json) => ({ ...json, threshold: 'half' }));
    expectRefused(await predict(), `${inCopy('tsrl.json')}: threshold must be between 0 and 1; got "half"`);
    cpSync(model, copy, { recursive: true });
    editWeights('head.safetensors', (_, data) => data.subarray(4));
    expectRefused(await predict(), `${inCopy('head.safetensors')}: truncated: 4 bytes are missing`);
    rmSync(inCopy('head.safetensors'));
    expectRefused(await predict(), `${inCopy('head.safetensors')}: no such file`);
    rmSync(inCopy('tsrl.json'));
    expectRefused(await predict(), `${inCopy('tsrl.json')}: no such file`);
  });

  test('a run in place of its model, and a model in the way of the run', async () => {
    expectRefused(
      await tsrl('predict', '--model', run, '--text', 'hello'),
      `${run}: expected a saved model; this is a run, whose model is ${model}`,
    );
    expectRefused(
      await trainOn('--train', train, '--model', model),
      `${run}: --out holds the model to begin with, ${model}, which the run would replace`,
    );
  });
});

describe('an output directory', () => {
  const again = (...args: readonly (string | number)[]): Promise<Ended> =>
    tsrl('train', '--method', 'sft', '--train', train, '--test', testFile, ...small, ...args);

  test('that holds another run', async () => {
    const hint = '--resume goes on with it, --force replaces it';
    expectRefused(await again('--out', run), `${run}: holds another run (result.json); ${hint}`);
    expectRefused(
      await again('--out', run, '--resume', '--seed', 3, '--learning-rate', 0.5),
      `${run}: --resume needs the configuration that the run began with: ` +
        'learningRate is 0.001 there and 0.5 here; seed is 0 there and 3 here',
    );
    writeTexts(at('others.jsonl'), 40, 9);
    const ended = await again('--out', run, '--resume', '--train', at('others.jsonl'));
    expect(ended.stderr).toMatch(/the configuration that the run began with: train is "\w+" there and "\w+" here\n$/);
    expectRefused(ended, ended.stderr.trimEnd());
    expectRefused(
      await again('--out', run, '--resume', '--force'),
      'tsrl: --resume goes on with a run and --force replaces it: give one',
    );
  });

  test('that holds files of that name which are no run, with --force', async () => {
    const mine = at('not-a-run');
    mkdirSync(join(mine, 'model'), { recursive: true });
    writeFileSync(join(mine, 'model', 'weights.bin'), 'mine');
    expectRefused(
      await again('--out', mine, '--force'),
      `${mine}: holds model and no run of tsrl, which is all that --force replaces`,
    );
    expect(readFileSync(join(mine, 'model', 'weights.bin'), 'utf8')).toBe('mine');
  });

  test('whose base model has changed since', async () => {
    const base = at('base');
    cpSync(join(run, 'model'), base, { recursive: true });
    const out = at('from-base');
    const head = ['--model', base, '--trainable', 'head', '--out', out] as const;
    expect((await again(...head)).code).toBe(0);
    writeFileSync(join(base, 'tokenizer.json'), `${readFileSync(join(base, 'tokenizer.json'), 'utf8')} `);
    const ended = await again(...head, '--resume');
    expect(ended.stderr).toMatch(/that the run began with: modelFiles is "\w+" there and "\w+" here\n$/);
    expectRefused(ended, ended.stderr.trimEnd());
  });

  test('of quickstart, when a run of the user is in the way', async () => {
    const out = at('mine');
    cpSync(run, join(out, 'sft'), { recursive: true });
    expectRefused(
      await tsrl('quickstart', '--out', out),
      `${join(out, 'sft')}: holds a run that is not of quickstart; name another directory by --out`,
    );
    expect(hashes(join(out, 'sft'))).toEqual(before);
  });

  test('that is a file, or lies under one', async () => {
    expectRefused(await again('--out', train), `${train}: must be a directory; got a file`);
    const under = join(train, 'run');
    const ended = await again('--out', under);
    expect(ended.stderr).toMatch(/ENOTDIR/);
    expectRefused(ended, ended.stderr.trimEnd());
    expect(ended.stderr.startsWith(`${under}: cannot be written to (`)).toBe(true);
  });

  test('whose checkpoint is damaged, or of another configuration', async () => {
    const copy = at('resumed');
    const resume = async (checkpoint: Uint8Array, message: RegExp): Promise<void> => {
      cpSync(run, copy, { recursive: true });
      writeFileSync(join(copy, 'checkpoint', 'checkpoint.safetensors'), checkpoint);
      const files = hashes(copy);
      const { code, stdout, stderr } = await again('--out', copy, '--resume');
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr.trimEnd().split('\n').at(-1)).toMatch(message);
      expect(stderr).not.toMatch(/\n +at /);
      expect(hashes(copy)).toEqual(files);
    };
    const whole = readFileSync(join(run, 'checkpoint', 'checkpoint.safetensors'));
    await resume(whole.subarray(0, whole.length - 100), /checkpoint\.safetensors: truncated: 100 bytes are missing$/);
    const other = encodeSnapshot({ tensors: {}, state: { configuration: { method: 'sft', seed: 12 } } });
    await resume(other, /checkpoint.*: is of another configuration: .*seed is 12 there and 0 here/);
    await resume(readFileSync(join(model, 'model.safetensors')), /checkpoint\.safetensors: is not a checkpoint/);
  });
});

describe('a loss that is no longer a number', () => {
  const diverge = ['--learning-rate', 1e30, '--epochs', 4, '--refreshes', 2];

  test.each(['sft', 'binary-ppo'])('%s: names step and term, and writes no model', async (method) => {
    const out = at(`diverged-${method}`);
    const data = ['--train', train, '--test', testFile];
    const ended = await tsrl('train', '--method', method, ...data, ...small, ...diverge, '--out', out);
    expect(ended).toMatchObject({ code: 2, stdout: '' });
    const [, ...said] = ended.stderr.trimEnd().split('\n'); // the first line says what the run is
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(
      method === 'sft'
        ? /^sft: loss .*NaN.* step \d+/
        : /^binary-ppo: (policy|supervised|entropy)\/loss .*NaN.* step \d+/,
    );
    expect(readdirSync(out)).not.toContain('model');
    expect(readdirSync(out)).not.toContain('result.json');
  });
});

describe('the command line', () => {
  const needed = ['--method', 'sft', '--train', train, '--test', testFile, '--out', run, '--force'];
  const mistakes: [string[], string][] = [
    [['--batch-size', 'x'], 'tsrl: --batch-size must be a number; got "x"'],
    [['--batch-size', ''], 'tsrl: --batch-size must be a number; got ""'],
    [['--batch-size', '0'], 'tsrl: --batch-size must be an integer of at least 1; got 0'],
    [['--batch-size', '-4'], 'tsrl: --batch-size must be an integer of at least 1; got -4'],
    [['--refreshes', '1.5'], 'tsrl: --refreshes must be an integer of at least 1; got 1.5'],
    [['--epochs', 'Infinity'], 'tsrl: --epochs must be an integer of at least 1; got Infinity'],
    [['--learning-rate', '-1'], 'tsrl: --learning-rate must be positive; got -1'],
    [['--learning-rate', '0'], 'tsrl: --learning-rate must be positive; got 0'],
    [['--max-minutes', '0'], 'tsrl: --max-minutes must be positive; got 0'],
    [['--max-minutes', '-2'], 'tsrl: --max-minutes must be positive; got -2'],
    [['--label-noise', '0.5'], 'tsrl: --label-noise must be in [0, 0.5); got 0.5'],
    [['--imbalance', '0.2'], 'tsrl: --imbalance must be at least 1, or none; got 0.2'],
    [['--seed', '0.1'], 'tsrl: --seed must be an integer; got 0.1'],
    [
      ['--policy', 'verbalizer', '--trainable', 'head'],
      'tsrl: --trainable must be full or lora with --policy verbalizer, which has no head; got "head"',
    ],
    [['--max-length', '100000'], 'tsrl: --max-length must be at most 512, which the model can read; got 100000'],
    [
      ['--policy', 'verbalizer', '--template', 'yes or no?'],
      'verbalizerPolicy: template must be a text with {text} in it, once; got "yes or no?"',
    ],
    [
      ['--policy', 'verbalizer', '--positive', 'now', '--negative', 'now or later'],
      'verbalizerPolicy: no must be without "now or later" [113,538,434,35,111,326,266], which begins with "now" [113,538]; got ["now or later"]',
    ],
  ];
  test.each(mistakes)('%j', async (args, message) => {
    expectRefused(await tsrl('train', ...needed, '--backend', 'wasm', ...args), message);
  });

  test('--text and --data: one of them, and not empty', async () => {
    const predict = (...args: string[]): Promise<Ended> => tsrl('predict', '--model', model, ...args);
    expectRefused(await predict(), 'tsrl predict: needs one of --text and --data; got neither');
    expectRefused(
      await predict('--text', 'a', '--data', testFile),
      'tsrl predict: needs one of --text and --data; got both',
    );
    expectRefused(await predict('--text', ' '), '--text: must be a text that is not empty');
  });

  const usage: [string[], string][] = [
    [['train', ...needed, '--bogus'], "error: unknown option '--bogus'"],
    [['train', ...needed.slice(2)], "error: required option '--method <name>' not specified"],
    [
      ['train', ...needed.slice(0, 2), '--test', testFile, '--out', run],
      "error: required option '--train <file>' not specified",
    ],
    [['train', ...needed.slice(0, 6)], "error: required option '--out <dir>' not specified"],
    [['train', ...needed, '--seed'], "error: option '--seed <n>' argument missing"],
    [
      ['train', '--method', 'dpo', ...needed.slice(2)],
      "error: option '--method <name>' argument 'dpo' is invalid. Allowed choices are binary-ppo, sft, bco.",
    ],
    [
      ['predict', '--model', model, '--text', 'a', '--backend', 'cuda'],
      "error: option '--backend <name>' argument 'cuda' is invalid. Allowed choices are auto, tensorflow, wasm, cpu, webgpu.",
    ],
    [['train', ...needed, 'extra'], "error: too many arguments for 'train'. Expected 0 arguments but got 1."],
    [['trian'], "error: unknown command 'trian'\n(Did you mean train?)"],
  ];
  test.each(usage)('%j', async (args, message) => {
    expectRefused(await tsrl(...args), `${message}\n(tsrl --help, tsrl COMMAND --help)`);
  });

  test('a real process says the same, and ends with 2', async () => {
    const refused = await spawnTsrl(['train', ...needed, '--batch-size', 'x']);
    expectRefused(refused, 'tsrl: --batch-size must be a number; got "x"');
    const missing = await spawnTsrl(['eval', '--model', model, '--data', at('none.jsonl')]);
    expectRefused(missing, `${at('none.jsonl')}: there is no such file`);
  });
});
