import type { BinaryMetrics } from '@tsrl/evaluation';
import type { LearnEvent } from './learn.js';
import type { RunDirectory } from './run-directory.js';
import type { Screen } from './screen.js';

/** Draws what happens, and keeps the history as it comes. */
export function showing(directory: RunDirectory, label: string, screen: Screen): (event: LearnEvent) => Promise<void> {
  let latest = '';
  return async (event) => {
    switch (event.type) {
      case 'start':
        await directory.begin(event.history);
        if (event.step > 0) screen.say(`going on at step ${event.step} of ${event.totalSteps}`);
        screen.bar(label, event.totalSteps, event.step);
        break;
      case 'step':
        screen.move(event.step, `loss ${(event.metrics['loss'] as number).toFixed(3)}${latest}`);
        break;
      case 'evaluation': {
        await directory.addToHistory(event.evaluation);
        const { validation } = event.evaluation;
        if (validation) latest = ` | validation ${brief(validation)}`;
        break;
      }
      case 'end':
        screen.end();
        await directory.setHistory(event.result.history);
        break;
      case 'test':
        screen.say(`testing on ${count(event.examples, 'text')}`);
        break;
    }
  };
}

/** The two figures to watch. */
const brief = ({ balancedAccuracy, auroc }: BinaryMetrics): string =>
  `balanced accuracy ${balancedAccuracy.toFixed(3)}, AUROC ${auroc === null ? 'undefined' : auroc.toFixed(3)}`;

/** `1 text`, `743 texts`. */
export const count = (n: number, what: string): string => `${n.toLocaleString('en')} ${what}${n === 1 ? '' : 's'}`;
