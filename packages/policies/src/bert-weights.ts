import type { BertConfig } from './bert-config.js';

/** Names and shapes of the weights, as `transformers`' BertModel stores them, without its pooler. */
export function bertShapes(config: BertConfig): Map<string, readonly number[]> {
  const { hiddenSize: H, intermediateSize: I } = config;
  const shapes = new Map<string, readonly number[]>([
    ['embeddings.word_embeddings.weight', [config.vocabularySize, H]],
    ['embeddings.position_embeddings.weight', [config.maxPositions, H]],
    ['embeddings.token_type_embeddings.weight', [config.tokenTypes, H]],
  ]);
  const withBias = (name: string, weight: readonly number[]): void => {
    shapes.set(`${name}.weight`, weight);
    shapes.set(`${name}.bias`, weight.slice(0, 1));
  };
  withBias('embeddings.LayerNorm', [H]);
  for (let layer = 0; layer < config.layers; layer++) {
    const at = `encoder.layer.${layer}`;
    withBias(`${at}.attention.self.query`, [H, H]);
    withBias(`${at}.attention.self.key`, [H, H]);
    withBias(`${at}.attention.self.value`, [H, H]);
    withBias(`${at}.attention.output.dense`, [H, H]);
    withBias(`${at}.attention.output.LayerNorm`, [H]);
    withBias(`${at}.intermediate.dense`, [I, H]);
    withBias(`${at}.output.dense`, [H, I]);
    withBias(`${at}.output.LayerNorm`, [H]);
  }
  return shapes;
}

/**
 * The name in {@link bertShapes} of a tensor of a file, which may come from a model with a head (`bert.` in front) or
 * from TensorFlow (`LayerNorm.gamma`, `LayerNorm.beta`); `undefined` for what stands behind the last hidden states
 * (pooler, heads) or is a constant.
 */
export function bertName(inFile: string): string | undefined {
  const name = inFile.replace(/^bert\./, '');
  if (/^(pooler|cls|classifier|qa_outputs)\.|^embeddings\.position_ids$/.test(name)) return undefined;
  return name.replace(/LayerNorm\.gamma$/, 'LayerNorm.weight').replace(/LayerNorm\.beta$/, 'LayerNorm.bias');
}
