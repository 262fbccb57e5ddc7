export function compile(): Promise<Uint8Array>;
export function sourceOf(bytes: Uint8Array): string;
