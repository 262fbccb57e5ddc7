export type Variant = 'simd' | 'relaxed' | 'shared';
export const families: Readonly<Record<string, readonly Variant[]>>;
export function compile(family: string, variant: Variant): Promise<Uint8Array>;
export function sourceOf(family: string): Promise<string>;
