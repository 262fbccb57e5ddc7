import {
  type FeaturePolicy,
  type Features,
  featurePolicy,
  headWeights,
  sequenceFeatures,
  type TextPolicy,
} from '@tsrl/policies';
import type { Examples } from '@tsrl/training';
import type { TextVectors } from './label-quality.js';
import type { RunExamples } from './prepare-data.js';
import type { Screen } from './screen.js';
import { type FeatureFile, readFeatures, writeFeatures } from './study/features.js';

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

/**
 * Reads every text once, showing how far it is, and puts the head of a policy over the vectors. They are kept in a file,
 * so that a run that is resumed reads nothing again.
 */
export async function frozenHead(
  policy: TextPolicy,
  examples: RunExamples,
  place: FeatureFile,
  screen: Screen,
): Promise<FrozenHead> {
  const sequences = [examples.train, examples.validation, examples.test].flatMap((part) => part.sequences);
  const started = performance.now();
  const features = (await readFeatures(place)) ?? (await computeFeatures(policy, sequences, place, screen));
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
  place: FeatureFile,
  screen: Screen,
): Promise<Features> {
  screen.bar('reading', sequences.length, 0, 'texts');
  const data = await sequenceFeatures(language, sequences, {
    onProgress: (done) => screen.move(done, 'each once, for the model stays as it is'),
  }).finally(() => screen.end());
  const features = { data, rows: sequences.length, columns: data.length / sequences.length };
  await writeFeatures(place, features);
  return features;
}
