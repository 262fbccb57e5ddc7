import { jsonSchema, mathEquivalence, regexFormat } from '@tsrl/verifiers';

const equal = mathEquivalence();
if (!equal('\\dfrac34', '0.75')?.equal || equal('(1,2)', '[1,2]')?.equal !== false) {
  throw new Error('3/4 must be 0.75, and a tuple no interval');
}
const [slow] = regexFormat({ pattern: '(a+)+b' })([{ completion: 'a'.repeat(50_000) }]);
if (slow !== 0) throw new Error(`50000 a's must not match (a+)+b; got ${slow}`);

const [valid] = jsonSchema({ schema: { type: 'object', required: ['a'] } })([{ completion: '{"a": 1}' }]);
if (valid !== 1) throw new Error(`{"a": 1} must be valid; got ${valid}`);
