import { differences } from '@tsrl/training';

const found = differences({ batchSize: 32, optimizer: { decay: 0 } }, { batchSize: 64, optimizer: { decay: 0 } });

if (found.join() !== 'batchSize is 32 there and 64 here') {
  throw new Error(`one difference expected; got ${JSON.stringify(found)}`);
}
