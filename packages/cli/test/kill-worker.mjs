// Loaded into every thread of a process by NODE_OPTIONS: a worker dies when it is asked for the nth time.
import { isMainThread, parentPort } from 'node:worker_threads';

const [how, nth] = (process.env.TSRL_TEST_KILL ?? '').split(' ');
let asked = 0;
if (!isMainThread && how) {
  parentPort.on('message', () => {
    if (++asked < Number(nth)) return;
    if (how === 'exit') process.exit(7);
    throw new Error('struck down');
  });
}
