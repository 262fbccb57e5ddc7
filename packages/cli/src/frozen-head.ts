import { type FeaturePolicy, type Features, featurePolicy, headWeights, type TextPolicy } from '@tsrl/policies';
import type { Examples } from '@tsrl/training';
import type { TextVectors } from './label-quality.js';
import type { RunExamples } from './prepare-data.js';
import type { Screen } from './screen.js';
import { type FeatureFile, readFeatures, writeFeatures } from './study/features.js';
import { sequenceVectors, type VectorsOptions } from './vectors.js';

/** A head that trains over vectors of its texts, which the frozen model has computed once. */
export interface FrozenHead {
  readonly policy: FeaturePolicy;
  /** The same examples, each text as the number of its vector. */
  readonly examples: RunExamples;
  /** Of the training texts. */
  readonly vectors: TextVectors;
  /** Tokens that the model has read for it, and how long it took. */
  readonly tokens: number;
  readonly seconds: number;
  /** Puts the trained head onto the model. */
  thaw(): void;
  dispose(): void;
}

/** Where the vectors are kept, and how they are computed. */
export interface FrozenHeadOptions extends FeatureFile, Pick<VectorsOptions, 'threads' | 'backend' | 'signal'> {}

/**
 * Reads every text once, on threads, showing how far it is, and puts the head of a policy over the vectors. They are kept
 * in a file, so that a run that is resumed reads nothing again.
 *
 * @returns `undefined` when it was interrupted while it read
 */
export async function frozenHead(
  policy: TextPolicy,
  examples: RunExamples,
  options: FrozenHeadOptions,
  screen: Screen,
): Promise<FrozenHead | undefined> {
  const sequences = [examples.train, examples.validation, examples.test].flatMap((part) => part.sequences);
  const started = performance.now();
  const features = (await readFeatures(options)) ?? (await computeFeatures(policy, sequences, options, screen));
  if (!features) return undefined;
  const { data, columns } = features;
  const over = featurePolicy(features, {
    valueHead: policy.form.valueHead,
    weights: await headWeights(policy),
    scope: 'frozen/',
  });
  let next = 0;
  const rows = ({ labels }: Examples): Examples => ({
    labels,
    sequences: Array.from(labels, () => over.encode(next++)),
  });
  return {
    policy: over,
    examples: { train: rows(examples.train), validation: rows(examples.validation), test: rows(examples.test) },
    vectors: {
      data: data.subarray(0, examples.train.labels.length * columns),
      rows: examples.train.labels.length,
      columns,
    },
    tokens: sequences.reduce((sum, { length }) => sum + length, 0),
    seconds: (performance.now() - started) / 1000,
    thaw() {
      for (const [name, variable] of policy.head) {
        const trained = over.head.get(name);
        if (trained) variable.assign(trained);
      }
    },
    dispose: over.dispose,
  };
}

async function computeFeatures(
  { language }: TextPolicy,
  sequences: readonly Int32Array[],
  { file, fingerprint, ...how }: FrozenHeadOptions,
  screen: Screen,
): Promise<Features | undefined> {
  screen.bar('reading', sequences.length, 0, 'texts');
  const onProgress = (done: number): void => screen.move(done, 'each once, for the model stays as it is');
  const data = await sequenceVectors(language, sequences, { ...how, onProgress }).finally(() => screen.end());
  if (!data) return undefined;
  const features = { data, rows: sequences.length, columns: data.length / sequences.length };
  await writeFeatures({ file, fingerprint }, features);
  return features;
}
