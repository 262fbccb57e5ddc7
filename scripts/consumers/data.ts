import { parseJsonl } from '@tsrl/data';

const examples = parseJsonl('{"text":"good","label":1}\n{"text":"bad","label":0}\n', {
  file: 'reviews.jsonl',
});

if (examples.length !== 2 || examples[0]?.text !== 'good' || examples[1]?.label !== 0) {
  throw new Error(`two labelled texts expected; got ${JSON.stringify(examples)}`);
}
