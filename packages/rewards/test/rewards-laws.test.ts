import { expect, test } from 'vitest';
import * as all from '../src/index.ts';
import { confidenceRewards, rewards } from '../src/registry.ts';
import { rewardLaws } from './reward-laws.ts';

test('the registry holds every reward under its own name, apart from the confidence family', () => {
  expect(Object.keys(rewards).sort()).toEqual([
    'bleu',
    'codeTests',
    'cosineLength',
    'exactMatch',
    'groupLength',
    'historyLength',
    'numericMatch',
    'repetitionPenalty',
    'rouge',
    'softOverlong',
    'tagFormat',
    'targetLength',
    'thinkFormat',
    'tokenF1',
    'toolCalls',
    'toolError',
  ]);
  for (const name of Object.keys(rewards)) {
    expect(all).toHaveProperty(name);
    expect(confidenceRewards).not.toHaveProperty(name);
  }
});

rewardLaws(rewards);
