import type { Grid } from '@tsrl/core';
import { CaseError, type GoldenCase, type GoldenTensor, isTensor } from './golden.js';

/** A tensor among the inputs of a case. */
export function tensorOf({ inputs }: GoldenCase, name: string): GoldenTensor {
  const value = inputs[name];
  if (!isTensor(value)) throw new CaseError(`the case has no input tensor ${name}`);
  return value;
}

/** Whether a case has this input. */
export const has = ({ inputs }: GoldenCase, name: string): boolean => isTensor(inputs[name]);

/** An input [B, T] for the functions of the host. */
export function gridOf(golden: GoldenCase, name: string): Grid {
  const { shape, data } = tensorOf(golden, name);
  if (shape.length !== 2) throw new CaseError(`the input ${name} must be [B, T]; got [${shape.join(', ')}]`);
  return { rows: shape[0] as number, columns: shape[1] as number, data: data.slice() };
}

/** A parameter; `otherwise` where it is absent or null. */
export function numberOf({ params }: GoldenCase, name: string, otherwise?: number): number {
  const value = params[name] ?? otherwise;
  if (typeof value !== 'number') throw new CaseError(`the parameter ${name} must be a number; got ${show(value)}`);
  return value;
}

/** A number or nothing: absent and null are the same. */
export function optionalNumber(golden: GoldenCase, name: string): number | undefined {
  return (golden.params[name] ?? undefined) === undefined ? undefined : numberOf(golden, name);
}

export function textOf({ params }: GoldenCase, name: string): string {
  const value = params[name];
  if (typeof value !== 'string') throw new CaseError(`the parameter ${name} must be a string; got ${show(value)}`);
  return value;
}

export function flagOf({ params }: GoldenCase, name: string, otherwise?: boolean): boolean {
  const value = params[name] ?? otherwise;
  if (typeof value !== 'boolean') throw new CaseError(`the parameter ${name} must be a boolean; got ${show(value)}`);
  return value;
}

const show = (value: unknown): string => JSON.stringify(value) ?? 'nothing';
