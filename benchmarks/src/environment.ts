import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { arch, cpus, loadavg, platform, totalmem } from 'node:os';
import * as tf from '@tensorflow/tfjs-core';
import { measureLimits } from './limits.js';
import type { Environment } from './result.js';

export async function readEnvironment(): Promise<Environment> {
  const load = loadavg()[0] as number;
  return {
    date: new Date().toISOString(),
    commit: commit(),
    backend: tf.getBackend(),
    machine: {
      cpu: cpus()[0]?.model.trim() ?? 'unknown',
      cores: cpus().length,
      memoryGb: Math.round(totalmem() / 2 ** 30),
      system: `${platform()} ${arch()}`,
      load,
      limits: await measureLimits(),
    },
    versions: {
      Node: process.version.slice(1),
      tfjs: tf.version_core,
      'tfjs-backend-wasm': versionOf('@tensorflow/tfjs-backend-wasm'),
    },
  };
}

function versionOf(name: string): string {
  return (createRequire(import.meta.url)(`${name}/package.json`) as { version: string }).version;
}

function commit(): string {
  const git = (...args: string[]): string => execFileSync('git', args, { encoding: 'utf8' }).trim();
  try {
    // Results and their report are written by the benchmarks themselves.
    const changed =
      git('status', '--porcelain', '--', ':/packages', ':/benchmarks/src', ':/benchmarks/assembly') !== '';
    return git('rev-parse', '--short=12', 'HEAD') + (changed ? '+' : '');
  } catch {
    return 'unknown';
  }
}
