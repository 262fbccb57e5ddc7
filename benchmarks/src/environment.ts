import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { arch, cpus, loadavg, platform, totalmem } from 'node:os';
import * as tf from '@tensorflow/tfjs-core';

/** Where a number was measured: without it the number says nothing. */
export interface Environment {
  readonly date: string;
  readonly commit: string;
  readonly backend: string;
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly memoryGb: number;
    readonly system: string;
    /** Processes that wanted a core in the minute before: above `cores`, times are those of a busy machine. */
    readonly load: number;
  };
  readonly versions: Readonly<Record<string, string>>;
}

export function environment(): Environment {
  return {
    date: new Date().toISOString(),
    commit: commit(),
    backend: tf.getBackend(),
    machine: {
      cpu: cpus()[0]?.model.trim() ?? 'unknown',
      cores: cpus().length,
      memoryGb: Math.round(totalmem() / 2 ** 30),
      system: `${platform()} ${arch()}`,
      load: loadavg()[0] as number,
    },
    versions: {
      node: process.version.slice(1),
      '@tensorflow/tfjs-core': tf.version_core,
      '@tensorflow/tfjs-backend-wasm': versionOf('@tensorflow/tfjs-backend-wasm'),
    },
  };
}

function versionOf(name: string): string {
  return (createRequire(import.meta.url)(`${name}/package.json`) as { version: string }).version;
}

function commit(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short=12', 'HEAD'], { encoding: 'utf8' }).trim();
  } catch {
    return 'unknown';
  }
}
