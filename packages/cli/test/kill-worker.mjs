// Loaded into every thread of a process by NODE_OPTIONS: a worker dies when it is asked for the nth time.
import { isMainThread, parentPort } from 'node:worker_threads';

const [how, nth] = (process.env.TSRL_TEST_KILL ?? '').split(' ');
let asked = 0;
if (!isMainThread && how) {
  const listen = parentPort.on.bind(parentPort);
  // A listener of our own would take the messages that come before the worker's.
  parentPort.on = (event, listener) =>
    listen(event, (question) => {
      if (++asked < Number(nth)) listener(question);
      else if (how === 'exit') process.exit(7);
      else throw new Error('struck down');
    });
}
