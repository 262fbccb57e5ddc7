import { auroc } from '@tsrl/evaluation';

// Of the four pairs of a positive and a negative, three are in the right order.
const area = auroc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]);

if (area !== 0.75) {
  throw new Error(`the area must be 0.75; got ${area}`);
}
