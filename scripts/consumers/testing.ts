import { finiteDifference } from '@tsrl/testing';

const x = [1, -2, 3];
const gradient = finiteDifference((v) => v.reduce((sum, value) => sum + value ** 2, 0), x);

x.forEach((value, i) => {
  if (Math.abs(gradient[i]! - 2 * value) > 1e-8) {
    throw new Error(`the derivative of x² at ${value} must be ${2 * value}; got ${gradient[i]}`);
  }
});
