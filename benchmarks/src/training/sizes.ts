import type { LlamaConfig } from '@tsrl/policies';

export type Sizes = Pick<
  LlamaConfig,
  'vocabularySize' | 'hiddenSize' | 'layers' | 'heads' | 'keyValueHeads' | 'intermediateSize'
>;

export interface Model {
  readonly detail: string;
  readonly sizes: Sizes;
  readonly method: 'sft' | 'binary-ppo' | 'next-token';
  /** Texts in a step, and tokens in a text. */
  readonly batch: number;
  readonly tokens: number;
}

const stories260K: Pick<Model, 'sizes' | 'batch' | 'tokens'> = {
  sizes: { vocabularySize: 512, hiddenSize: 64, layers: 5, heads: 8, keyValueHeads: 4, intermediateSize: 172 },
  batch: 64,
  tokens: 64,
};
const classifier = 'Llama of the size of stories260K (5 layers, hidden size 64) with a classification head';

export const models = {
  'stories260K SFT': { ...stories260K, detail: `${classifier}, supervised fine-tuning`, method: 'sft' },
  'stories260K BinaryPPO': { ...stories260K, detail: `${classifier}, BinaryPPO`, method: 'binary-ppo' },
  'Llama 5M': {
    detail: 'Llama with 4 layers, hidden size 256, 4 heads, vocabulary 4096 not tied; predicts every next token',
    sizes: { vocabularySize: 4096, hiddenSize: 256, layers: 4, heads: 4, keyValueHeads: 4, intermediateSize: 688 },
    method: 'next-token',
    batch: 8,
    tokens: 128,
  },
} as const satisfies Record<string, Model>;

export type ModelName = keyof typeof models;

/**
 * Floating-point operations of the matrix products of a step: those of the forward pass, and twice as many backward.
 * Attention counts all pairs of tokens, as most counts in the field do. A classifier computes queries and what follows
 * them in its last layer at the last token of each text only.
 */
export function flopOf({ sizes, method, batch, tokens }: Model): number {
  const { hiddenSize: h, layers, heads, keyValueHeads, intermediateSize, vocabularySize } = sizes;
  const keysAndValues = 2 * h * h * (keyValueHeads / heads);
  const atEachQuery = 2 * h * h + 3 * h * intermediateSize + 2 * tokens * h;
  const layer = keysAndValues + atEachQuery;
  const perText =
    method === 'next-token'
      ? tokens * (layers * layer + h * vocabularySize)
      : tokens * ((layers - 1) * layer + keysAndValues) + atEachQuery;
  return 3 * 2 * batch * perText;
}
