import { expect, test } from 'vitest';
import { rewardLaws } from '../../rewards/test/reward-laws.ts';
import * as all from '../src/index.ts';
import { verifiers } from '../src/registry.ts';

test('the registry holds every verifier under its own name', () => {
  expect(Object.keys(verifiers).sort()).toEqual(['jsonSchema', 'mathMatch', 'regexFormat']);
  for (const name of Object.keys(verifiers)) expect(all).toHaveProperty(name);
});

rewardLaws(verifiers);
