import { main, type RunResult } from '@tsrl/cli';

// The command, as a function: a file that is not there is wrong input, which is exit code 2.
const exitCode: number = await main(['node', 'tsrl', 'predict', '--model', 'no/such/model', '--text', 'hello']);

const balancedAccuracy = ({ metrics }: RunResult): number => metrics.balancedAccuracy;

if (exitCode !== 2 || typeof balancedAccuracy !== 'function') throw new Error(`2 expected; got ${exitCode}`);
