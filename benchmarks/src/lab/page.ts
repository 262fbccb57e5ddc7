import { estimators } from '@tsrl/advantages/registry';
import { bars, type Curve, curves } from '../report/chart.js';
import { digits, listed, table } from '../report/text.js';
import { type Measurement, measure } from './measure.js';
import { bandit, binary, type Problem, tree } from './problem.js';

const groupSizes = [2, 3, 4, 5, 6, 7];
const successes = [0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98];
const arms = bandit([0, 0.5, -0.3, 0.1], [1, 0, 0.5, 0.2]);
const unequal = binary([0.1, 0.6]);

/** The page and its figures: every estimator of the registry, on problems where nothing needs to be estimated. */
export function page(): { readonly markdown: string; readonly svgs: ReadonlyMap<string, string> } {
  const svgs = new Map<string, string>();
  const figure = (name: string, caption: string, svg: string): string => {
    svgs.set(`${name}.svg`, svg);
    return `![${caption}](estimators/${name}.svg)\n\n${caption}`;
  };
  const { absent, names } = known();
  const [onArms, onPrompts, onTree] = [at(arms, 4), at(unequal, 4), at(tree(), 4)];
  const markdown = [
    intro(absent),
    '## Four arms',
    'One state, a softmax over four arms that earn 1, 0, 0.5 and 0.2, four responses in a batch.',
    results(onArms),
    figure(
      'direction',
      'The angle between the expected update and the gradient, four arms, four responses. At 0 the estimator climbs the ' +
        'expected reward, whatever the length of its steps.',
      bars({
        axis: 'degrees',
        bars: onArms.map(([label, { angle }]) => ({ label, value: clean(angle), text: digits(clean(angle)) })),
      }),
    ),
    '### Group size',
    ...lines(figure, 'group-size', {
      caption: 'worth of a response in plain samples, by the size of the group (four arms)',
      axes: ['responses to a prompt', 'plain samples'],
      names,
      points: groupSizes,
      value: (name, G) => one(name, arms, G)?.worth,
    }),
    '## Two prompts of unequal difficulty',
    'A success probability of 0.1 in one prompt and of 0.6 in the other, one logit each, four responses to each. *Weight of ' +
      'the hard prompt*: its share of the expected update against its share of the gradient; 1 is unbiased. Dividing by a ' +
      'deviation moves it: that of the group towards the hard prompt (`grpo`), that of the batch away from it (`litePpo`).',
    results(onPrompts, ['weight of the hard prompt', ({ mean }) => digits(hardness(mean))]),
    '## Success probability',
    'One prompt with rewards 0 and 1 and eight responses.',
    ...lines(figure, 'scale', {
      caption: 'expected update as a multiple of the gradient, by success probability',
      axes: ['success probability', 'times the gradient'],
      names,
      points: successes,
      value: (name, p) => one(name, binary([p]), 8)?.scale,
    }),
    ...lines(figure, 'noise', {
      caption: 'noise of a response (variance over the squared length of the mean), by success probability',
      axes: ['success probability', 'noise'],
      logarithmic: { x: false, y: true },
      names,
      points: successes,
      value: (name, p) => shown(one(name, binary([p]), 8)?.noise),
    }),
    'Less noise is better; with the exact value as baseline there is none at 0.5, and none above 1000 is drawn. A batch without ' +
      'a success, or without a failure, is silent where the baseline is the mean of the group: at p = 0.02 that is ' +
      `${digits(100 * (0.98 ** 8 + 0.02 ** 8))} % of them.`,
    '## Two tokens',
    'A tree of two tokens, in which 01 and 10 earn 1, four responses. Estimators over tokens get the exact value of each state.',
    results(onTree),
    '',
  ].join('\n\n');
  return { markdown, svgs };
}

type Named = readonly (readonly [names: string, measurement: Measurement])[];

/** Estimators that give the same are one line. */
function at(problem: Problem, G: number): Named {
  const found = new Map<string, { names: string[]; result: Measurement }>();
  for (const entry of estimators) {
    const result = measure(entry, problem, G);
    if (typeof result === 'string') continue;
    const key = [...result.mean, result.variance].map((x) => x.toPrecision(5)).join();
    const same = found.get(key);
    if (same) same.names.push(entry.name);
    else found.set(key, { names: [entry.name], result });
  }
  return [...found.values()].map(({ names, result }) => [names.join(', '), result]);
}

const one = (name: string, problem: Problem, G: number): Measurement | undefined => {
  const entry = estimators.find((candidate) => candidate.name === name);
  const result = entry && measure(entry, problem, G);
  return typeof result === 'object' ? result : undefined;
};

function known(): { readonly names: readonly string[]; readonly absent: readonly string[] } {
  const results = estimators.map((entry) => [entry.name, measure(entry, binary([0.5]), 4)] as const);
  return {
    names: results.filter(([, result]) => typeof result === 'object').map(([name]) => name),
    absent: results
      .filter(([, result]) => typeof result === 'string')
      .map(([name, result]) => `\`${name}\` (${result})`),
  };
}

function results(all: Named, ...more: readonly [head: string, of: (measured: Measurement) => string][]): string {
  return table(
    ['estimator', 'off by', 'length', 'a response is worth', 'silent', ...more.map(([head]) => head)],
    all.map(([names, result]) => [
      names
        .split(', ')
        .map((name) => `\`${name}\``)
        .join(' '),
      ...(result.silent > 1 - 1e-9
        ? ['–', '0', '0', '100 %', ...more.map(() => '–')]
        : [
            clean(result.angle) === 0 ? '0' : `${digits(result.angle)}°`,
            digits(result.scale),
            digits(result.worth),
            result.silent === 0 ? '0' : `${digits(100 * result.silent)} %`,
            ...more.map(([, of]) => of(result)),
          ]),
    ]),
  );
}

/** Below the rounding of acos near 1. */
const clean = (angle: number): number => (angle < 1e-4 ? 0 : angle);

const hardness = ([hard = 0, easy = 0]: readonly number[]): number => {
  const [trueHard = 0, trueEasy = 0] = unequal.gradient;
  return hard / (hard + easy) / (trueHard / (trueHard + trueEasy));
};

/** Few curves leave this range, and they would flatten all others. */
const shown = (noise: number | undefined): number | undefined =>
  noise !== undefined && noise < 1000 ? noise : undefined;

interface Lines {
  readonly caption: string;
  readonly axes: readonly [x: string, y: string];
  readonly names: readonly string[];
  readonly points: readonly number[];
  readonly value: (name: string, point: number) => number | undefined;
  readonly logarithmic?: { readonly x: boolean; readonly y: boolean };
}

/** One figure for at most seven curves; those that coincide are one. */
function lines(
  figure: (name: string, caption: string, svg: string) => string,
  name: string,
  { caption, axes: [x, y], names, points, value, logarithmic = { x: false, y: false } }: Lines,
): readonly string[] {
  const merged = new Map<string, { names: string[]; points: (readonly [number, number])[] }>();
  for (const estimator of names) {
    const values = points.flatMap((point) => {
      const y = value(estimator, point);
      return y === undefined || !(y > 1e-9) || !Number.isFinite(y) ? [] : [[point, y] as const];
    });
    if (values.length < 2) continue;
    const key = values.map(([, y]) => y.toPrecision(4)).join();
    const same = merged.get(key);
    if (same) same.names.push(estimator);
    else merged.set(key, { names: [estimator], points: values });
  }
  const all = [...merged.values()];
  const most = 7;
  const count = Math.ceil(all.length / most);
  return Array.from({ length: count }, (_, i) => {
    const part = all.slice(i * most, (i + 1) * most);
    const shown = part.map(({ names, points }): Curve => ({ name: short(names), points }));
    const said = part
      .filter(({ names }) => names.length > 2)
      .map(({ names }) => `*${short(names)}* stands for ${listed(names.map((one) => `\`${one}\``))}.`);
    const number = count > 1 ? ` (${i + 1} of ${count})` : '';
    const drawn = figure(
      `${name}-${i + 1}`,
      `${caption[0]?.toUpperCase()}${caption.slice(1)}${number}.`,
      curves(x, y, shown, logarithmic),
    );
    return said.length > 0 ? `${drawn} ${said.join(' ')}` : drawn;
  });
}

const short = (names: readonly string[]): string =>
  names.length <= 2 ? names.join(', ') : `${names[0]} and ${names.length - 1} like it`;

const intro = (absent: readonly string[]): string => `<!-- Made by \`npm run lab\`; do not edit. -->

# Estimators

What advantage estimators do to the gradient, exactly. The problems are so small that every batch that can occur is
gone through, with its probability: no number below was sampled, and none has an error bar. The policy is a softmax; the
update of a batch is the mean over its responses of Σ A ∇ log π. Every estimator of the registry is here with its default
options (\`npm run lab\` draws it again).

- **off by**: the angle between the expected update and the gradient of the expected reward. 0 is no bias of direction;
  any other angle optimizes something else.
- **length**: the expected update along the gradient, as a multiple of it. A learning rate absorbs it where it is the
  same for all prompts.
- **a response is worth**: how many plain samples r ∇ log π carry as much signal against noise as one response of the
  batch does. A baseline is worth what it is above 1. This is the effective sample size, for each response.
- **silent**: batches in which every advantage is 0.

Where an estimator asks for a value or a baseline, it gets the exact one: what \`remax\` and \`singleStreamSpo\` lose by
estimating theirs is not in these numbers.${absent.length > 0 ? ` Not here, because the problems have no such input: ${listed(absent)}.` : ''}`;
