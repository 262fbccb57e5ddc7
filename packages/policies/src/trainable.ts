import * as tf from '@tensorflow/tfjs-core';
import { OptionError } from '@tsrl/core';
import type { LanguageModel } from './load.js';
import { type Lora, type LoraOptions, toLora } from './lora.js';

/** What of a language model a policy trains, and the adapters, or how they start. */
interface Trainable {
  readonly trainable: string;
  readonly lora: LoraOptions | Lora | undefined;
}

/** @throws OptionError unless `trainable` is one of `kinds`, and adapters are given only where they train */
export function expectTrainable(who: string, kinds: readonly string[], { trainable, lora }: Trainable): void {
  if (!kinds.includes(trainable)) throw new OptionError(who, 'trainable', oneOf(kinds), trainable);
  if (lora && trainable !== 'lora') {
    throw new OptionError(who, 'trainable', "'lora' when there are options for it", trainable);
  }
}

/** The kinds, in words. */
export function oneOf(kinds: readonly string[]): string {
  return kinds
    .map((kind) => `'${kind}'`)
    .join(', ')
    .replace(/, ([^,]*)$/, ' or $1');
}

/** The adapters that train beside a head, where they do; when they cannot be made, the head is freed. */
export function adaptersBeside(
  head: ReadonlyMap<string, tf.Variable>,
  model: LanguageModel['model'],
  { trainable, lora }: Trainable,
  init: Pick<LoraOptions, 'rng' | 'scope'>,
): Lora | undefined {
  if (trainable !== 'lora') return undefined;
  try {
    return toLora(model, lora, init);
  } catch (error) {
    tf.dispose([...head.values()]);
    throw error;
  }
}
