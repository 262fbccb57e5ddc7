/** What went wrong, as a stable word to switch on. */
export type ErrorCode = 'shape' | 'option' | 'state' | 'data' | 'backend' | 'divergence';

/** Every error that tsrl throws on purpose: one sentence that says who, what, expected and got. */
export class TsrlError extends Error {
  readonly code: ErrorCode;
  /** The brand that `isTsrlError` looks for. */
  readonly tsrl: true = true;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.name = new.target.name;
  }
}

/** A tensor, array or grid of the wrong shape, length or dtype. */
export class ShapeError extends TsrlError {
  constructor(who: string, what: string, expected: string, got: string) {
    super('shape', `${who}: ${what} must be ${expected}; got ${got}`);
  }
}

/** An option outside its range. */
export class OptionError extends TsrlError {
  constructor(who: string, option: string, expected: string, got: unknown) {
    super('option', `${who}: ${option} must be ${expected}; got ${show(got)}`);
  }
}

/** Saved state (a checkpoint, a tracker, an optimizer) that does not fit what it is loaded into. */
export class StateError extends TsrlError {
  constructor(who: string, problem: string, options?: ErrorOptions) {
    super('state', `${who}: ${problem}`, options);
  }
}

/** Input of the user's that cannot be used: a file, a line, a value. */
export class DataError extends TsrlError {
  /** Where the input stands: a file, and a line of it (counted from 1) when there is one. */
  readonly file: string;
  readonly line: number | undefined;

  constructor(file: string, problem: string, { line, cause }: { line?: number; cause?: unknown } = {}) {
    super('data', `${file}${line === undefined ? '' : `:${line}`}: ${problem}`, cause === undefined ? {} : { cause });
    this.file = file;
    this.line = line;
  }
}

/** A tfjs backend that is missing, or that lacks a kernel or memory. */
export class BackendError extends TsrlError {
  constructor(who: string, problem: string, options?: ErrorOptions) {
    super('backend', `${who}: ${problem}`, options);
  }
}

/** A quantity of training that is no longer a number. */
export class DivergenceError extends TsrlError {
  constructor(who: string, problem: string) {
    super('divergence', `${who}: ${problem}`);
  }
}

/**
 * Whether `error` was thrown on purpose by any tsrl package, and with this code when one is given.
 * Works across duplicate installs, where `instanceof` does not.
 */
export function isTsrlError(error: unknown, code?: ErrorCode): error is TsrlError {
  if (!(error instanceof Error && 'tsrl' in error && error.tsrl === true)) return false;
  return code === undefined || (error as TsrlError).code === code;
}

/** A value as it reads in an error message: short, and telling '4' from 4. */
export function show(value: unknown): string {
  if (typeof value === 'number' || value === undefined) return String(value);
  if (typeof value === 'function') return 'a function';
  const text = jsonOf(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** JSON where there is one: a bigint or a circle has none, and an error message must not fail over it. */
function jsonOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}
