import { parseTokenizer } from '@tsrl/policies';

const json = {
  version: '1.0',
  added_tokens: [],
  normalizer: null,
  post_processor: null,
  pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, use_regex: true },
  decoder: { type: 'ByteLevel' },
  model: { type: 'BPE', vocab: { l: 0, o: 1, w: 2, lo: 3, low: 4 }, merges: ['l o', 'lo w'] },
};
const tokenizer = parseTokenizer(JSON.stringify(json), 'tokenizer.json');

const ids = tokenizer.encode('lowlo');
if (ids.join() !== '4,3' || tokenizer.decode(ids) !== 'lowlo') {
  throw new Error(`lowlo must be low, lo; got ${ids}, which reads ${tokenizer.decode(ids)}`);
}
