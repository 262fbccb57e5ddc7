import { describe, expect, test } from 'vitest';
import { type Outcome, onThreads } from '../src/study/threads.ts';

// Threads that do what the task says, to see that none of it stops the others.
const script = new URL(
  `data:text/javascript,${encodeURIComponent(`
    import { parentPort, threadId, workerData } from 'node:worker_threads';
    let last = Promise.resolve();
    parentPort.on('message', (task) => {
      last = last.then(async () => {
        await new Promise((go) => setTimeout(go, task.wait ?? 0));
        if (task.how === 'exit') process.exit(7);
        if (task.how === 'throw') setTimeout(() => { throw new Error('struck down'); });
        else parentPort.postMessage(task.how === 'problem' ? { problem: 'no' } : { answer: [task.id, workerData, threadId] });
      });
    });
  `)}`,
);

interface Task {
  readonly id: number;
  readonly how?: 'exit' | 'throw' | 'problem';
  readonly wait?: number;
}

type Answer = readonly [id: number, data: string, thread: number];

/** What became of each task, in the order of their ends. */
async function run(tasks: Task[], threads: number, signal = { aborted: false }, left = tasks) {
  const ended: [number, Outcome<Answer>][] = [];
  const how = await onThreads<Task, Answer>({
    threads,
    script,
    data: 'known',
    next: () => left.shift(),
    done: ({ id }, outcome) => void ended.push([id, outcome]),
    signal,
  });
  return { how, ended: ended.sort(([a], [b]) => a - b).map(([, outcome]) => outcome) };
}

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

describe('tasks on threads', () => {
  test('are all done, by as many threads as were asked for', async () => {
    const { how, ended } = await run(
      range(40).map((id) => ({ id, wait: 5 })),
      3,
    );
    expect(how).toBe('done');
    const answers = ended.map((outcome) => (outcome as { answer: Answer }).answer);
    expect(answers.map(([id, data]) => [id, data])).toEqual(range(40).map((id) => [id, 'known']));
    expect(new Set(answers.map(([, , thread]) => thread)).size).toBe(3);
  });

  test('no task, no thread', async () => {
    expect(await run([], 2)).toEqual({ how: 'done', ended: [] });
  });

  test('one that fails, and one that takes two threads with it, leave the others alone', async () => {
    const hows: Record<number, Task['how']> = { 1: 'problem', 3: 'exit', 5: 'throw' };
    const tasks = range(8).map((id): Task => ({ id, ...(hows[id] && { how: hows[id] }) }));
    const { how, ended } = await run(tasks, 2);
    expect(how).toBe('done');
    expect(ended[1]).toEqual({ problem: 'no' });
    expect(ended[3]).toEqual({ problem: 'its thread died twice: exit code 7' });
    expect(ended[5]).toEqual({ problem: 'its thread died twice: struck down' });
    for (const id of [0, 2, 4, 6, 7]) expect((ended[id] as { answer: Answer }).answer[0]).toBe(id);
  });

  test('tasks that come up while others are done are done too', async () => {
    const left: Task[] = [{ id: 0 }];
    const seen: number[] = [];
    const how = await onThreads<Task, Answer>({
      threads: 2,
      script,
      data: null,
      next: () => left.shift(),
      async done({ id }) {
        await new Promise((go) => setTimeout(go, 10));
        seen.push(id);
        if (id < 4) left.push({ id: 2 * id + 3 }, { id: 2 * id + 4 });
      },
    });
    expect(how).toBe('done');
    expect(seen.sort((a, b) => a - b)).toEqual([0, 3, 4, 9, 10]);
  });

  test('an error in taking note of a result ends everything', async () => {
    const tasks = range(5).map((id) => ({ id }));
    const failing = onThreads<Task, Answer>({
      threads: 2,
      script,
      data: null,
      next: () => tasks.shift(),
      done: () => Promise.reject(new Error('the disk is full')),
    });
    await expect(failing).rejects.toThrow('the disk is full');
  });

  test('what was handed over is saved before anybody is told of the end', async () => {
    const signal = { aborted: false };
    const left: Task[] = [{ id: 0 }];
    let saved = 0;
    const how = await onThreads<Task, Answer>({
      threads: 1,
      script,
      data: 'known',
      next: () => left.shift(),
      done: async () => {
        signal.aborted = true;
        await new Promise((go) => setTimeout(go, 400)); // several looks at the signal
        saved++;
      },
      signal,
    });
    expect({ how, saved }).toEqual({ how: 'aborted', saved: 1 });
  });

  test('ends at once when it should stop', async () => {
    const signal = { aborted: false };
    const tasks = range(6).map((id) => ({ id, wait: id < 2 ? 0 : 600_000 }));
    setTimeout(() => {
      signal.aborted = true;
    }, 500);
    const { how, ended } = await run(tasks, 2, signal);
    expect(how).toBe('aborted');
    expect(ended).toHaveLength(2);
  });
});
