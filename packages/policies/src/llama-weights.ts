import type { LlamaConfig } from './llama-config.js';

export const EMBEDDING = 'model.embed_tokens.weight';

/** Names and shapes of the weights, as `transformers` stores them. */
export function llamaShapes(config: LlamaConfig): Map<string, readonly number[]> {
  const { vocabularySize: V, hiddenSize: H, intermediateSize: I, headSize } = config;
  const queries = config.heads * headSize;
  const keys = config.keyValueHeads * headSize;
  const shapes = new Map<string, readonly number[]>([[EMBEDDING, [V, H]]]);
  for (let layer = 0; layer < config.layers; layer++) {
    const at = `model.layers.${layer}`;
    shapes.set(`${at}.input_layernorm.weight`, [H]);
    shapes.set(`${at}.self_attn.q_proj.weight`, [queries, H]);
    shapes.set(`${at}.self_attn.k_proj.weight`, [keys, H]);
    shapes.set(`${at}.self_attn.v_proj.weight`, [keys, H]);
    shapes.set(`${at}.self_attn.o_proj.weight`, [H, queries]);
    shapes.set(`${at}.post_attention_layernorm.weight`, [H]);
    shapes.set(`${at}.mlp.gate_proj.weight`, [I, H]);
    shapes.set(`${at}.mlp.up_proj.weight`, [I, H]);
    shapes.set(`${at}.mlp.down_proj.weight`, [H, I]);
  }
  shapes.set('model.norm.weight', [H]);
  if (!config.tieWordEmbeddings) shapes.set('lm_head.weight', [V, H]);
  return shapes;
}
