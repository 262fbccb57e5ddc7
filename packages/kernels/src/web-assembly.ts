/** What this package needs of `WebAssembly.Memory`, whose type the language alone does not bring. */
export interface WasmMemory {
  readonly buffer: ArrayBufferLike;
}

/** A family of kernels as bytes in base64; `relaxed` uses the instructions of relaxed SIMD, where there is a gain. */
export interface Binary {
  readonly simd: string;
  readonly relaxed?: string;
}

// Present in every environment that the package runs in, but part of no ECMAScript library.
declare const WebAssembly: {
  validate(bytes: Uint8Array): boolean;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Memory: new (size: { initial: number; maximum: number; shared: boolean }) => WasmMemory;
  readonly Instance: new (module: object, imports: object) => { readonly exports: object };
};
declare const atob: (base64: string) => string;

/** The exports of the module, working in a memory that it imports: the relaxed one where the engine knows it. */
export function compileModule({ simd, relaxed }: Binary, memory: WasmMemory): object {
  const fast = relaxed === undefined ? undefined : bytesOf(relaxed);
  const bytes = fast && WebAssembly.validate(fast) ? fast : bytesOf(simd);
  return new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } }).exports;
}

/** A memory of zeros for several threads; it never grows. */
export function sharedMemory(bytes: number): WasmMemory {
  const pages = Math.max(1, Math.ceil(bytes / 65536));
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
}

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
