import { parentPort } from 'node:worker_threads';
import { doTask, type StudyTask } from './tasks.js';

// A thread of `tsrl study`: takes one task after the other, and tells what came out or what went wrong.
let last: Promise<void> = Promise.resolve();
parentPort?.on('message', (task: StudyTask) => {
  last = last.then(async () => {
    parentPort?.postMessage(await doTask(task));
  });
});
