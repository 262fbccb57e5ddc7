import { cpus, totalmem } from 'node:os';
import { version_core } from '@tensorflow/tfjs-core';
import type { Json } from '@tsrl/core';
import { ownVersion } from '../train-run.js';
import { packBits } from './cell-result.js';
import type { Dataset } from './datasets.js';
import type { Study } from './study.js';

/** `study.json`: what a report needs beside the cells. */
export function headerOf({ config, groups, datasets }: Study): Json {
  const [cpu] = cpus();
  const tests = new Map(groups.map(({ dataset, source }) => [dataset, (datasets.get(source) as Dataset).test]));
  return {
    name: config.name,
    configuration: config.json,
    machine: {
      processor: cpu?.model ?? 'unknown',
      cores: cpus().length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      platform: `${process.platform} ${process.arch}`,
    },
    versions: { tsrl: ownVersion(), tfjs: version_core, node: process.versions.node },
    datasets: Object.fromEntries(
      [...tests].map(([name, test]) => [
        name,
        {
          test: test.length,
          positives: test.reduce((sum, { label }) => sum + label, 0),
          labels: packBits(test.map(({ label }) => label === 1)),
        },
      ]),
    ),
  };
}
