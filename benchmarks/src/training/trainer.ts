import { fork } from 'node:child_process';
import type { Answer, Request, Start } from './protocol.js';

/** A process that trains. */
export interface Trainer {
  ask(request: Request): Promise<Answer>;
  end(): void;
}

export async function startTrainer(start: Start): Promise<Trainer> {
  const child = fork(new URL('training-process.js', import.meta.url), [JSON.stringify(start)]);
  const next = <T>(): Promise<T> =>
    new Promise((resolve, reject) => {
      child.once('message', (message) => {
        child.removeAllListeners('exit');
        resolve(message as T);
      });
      child.once('exit', (code) => reject(new Error(`${JSON.stringify(start)} ended with code ${code}`)));
    });
  await next();
  return {
    ask(request) {
      child.send(request);
      return next();
    },
    end: () => void child.kill(),
  };
}
