import type { Measured } from './result.js';

/** A result as lines for a terminal. */
export function printResult(measured: Measured): string {
  const title = `${measured.subject} ${measured.variant}`;
  if (measured.kind === 'growth') {
    const times = measured.points.map(({ size, time }) => `${size}: ${time.medianMs.toPrecision(3)}`);
    return `${title.padEnd(60)} ${measured.size}^${measured.exponent.toFixed(2)}  ms at ${times.join(', ')}`;
  }
  const { flop, bytes, tokens } = measured.work;
  const lines = measured.contestants.map(({ name, threads, time, problem, memory, ratio, difference }) => {
    const cells = [`  ${name}, ${threads} thread${threads > 1 ? 's' : ''}`.padEnd(34)];
    if (time) {
      cells.push(`${time.medianMs.toPrecision(3)} ± ${time.madMs.toPrecision(1)} ms`.padEnd(22));
      if (flop !== undefined) cells.push(`${(flop / time.medianMs / 1e6).toFixed(1)} GFLOP/s`);
      else if (bytes !== undefined) cells.push(`${(bytes / time.medianMs / 1e6).toFixed(1)} GB/s`);
      if (tokens !== undefined) cells.push(`${Math.round((1000 * tokens) / time.medianMs)} tokens/s`);
    }
    if (problem !== undefined) cells.push(problem);
    if (memory) cells.push(`${memory.megabytes.toFixed(0)} MB (${memory.of})`);
    if (ratio !== undefined) cells.push(`${ratio.toPrecision(3)} x`);
    if (difference !== undefined) cells.push(`differs by ${difference.toExponential(0)}`);
    return cells.join('  ');
  });
  return [title, ...lines].join('\n');
}
