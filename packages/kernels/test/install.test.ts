import * as tf from '@tensorflow/tfjs-core';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { installFastKernels, uninstallFastKernels } from '../src/tfjs/index.ts';

const backendName = process.env['TSRL_BACKEND'] as string;
const onWasm = backendName === 'wasm';

/** Every kernel of the current backend, by name. */
const kernels = (): Map<string, unknown> =>
  new Map(tf.getKernelsForBackend(backendName).map(({ kernelName, kernelFunc }) => [kernelName, kernelFunc]));

/** What a release of tfjs might do to the internals that the kernels rely on. */
const wasm = (): Record<string, unknown> => (tf.backend() as unknown as { wasm: Record<string, unknown> }).wasm;

afterEach(() => {
  vi.restoreAllMocks();
  installFastKernels();
});

describe('installFastKernels', () => {
  test('is undone without a trace, and done again', () => {
    const fast = kernels();
    const names = installFastKernels();
    expect(kernels()).toEqual(fast);
    uninstallFastKernels();
    const plain = kernels();
    for (const name of names) expect([name, fast.get(name) === plain.get(name)]).toEqual([name, false]);
    expect([...plain.keys()].filter((name) => name.startsWith('Tsrl'))).toEqual([]);
    expect(plain.has('UnsortedSegmentSum')).toBe(!onWasm);
    for (const [name, kernel] of fast) {
      if (!names.includes(name)) expect([name, plain.get(name) === kernel]).toEqual([name, true]);
    }
    uninstallFastKernels();
    expect(kernels()).toEqual(plain);
    expect(installFastKernels()).toEqual(names);
    expect([...kernels().keys()].sort()).toEqual([...fast.keys()].sort());
  });

  test('leaves nothing behind, in memory or on the tape', () => {
    uninstallFastKernels();
    const before = tf.memory();
    installFastKernels();
    expect(tf.memory()).toEqual(before);
  });

  test('a model that knows nothing of it computes the same', async () => {
    const draw = (shape: [number, number], from: number): tf.Tensor2D =>
      tf.tensor2d(
        Float32Array.from({ length: shape[0] * shape[1] }, (_, i) => Math.sin(from + i)),
        shape,
      );
    const [x, w, b] = [draw([7, 5], 1), draw([5, 6], 2), draw([1, 6], 3)];
    const run = async (): Promise<number[]> => {
      const [dw, db] = tf.grads((u, v) =>
        tf.sum(tf.square(tf.softmax(tf.add(tf.matMul(x, u as tf.Tensor2D), v)))).asScalar(),
      )([w, b]) as [tf.Tensor, tf.Tensor];
      const numbers = [...(await dw.data()), ...(await db.data())];
      tf.dispose([dw, db]);
      return numbers;
    };
    const fast = await run();
    uninstallFastKernels();
    const plain = await run();
    fast.forEach((value, i) => {
      expect(value).toBeCloseTo(plain[i] as number, 6);
    });
    tf.dispose([x, w, b]);
  });

  test.runIf(onWasm)(
    'without the memory where tfjs 4.22 has it, says once what is left out, and still multiplies',
    async () => {
      uninstallFastKernels();
      const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
      const { asm } = wasm();
      // A heap of its own kind, so that instances made before do not count.
      const backend = tf.backend() as unknown as { wasm: object };
      const own = backend.wasm;
      backend.wasm = new Proxy(own, { get: (target, key) => (key === 'asm' ? {} : Reflect.get(target, key)) });
      try {
        const names = installFastKernels();
        expect(names).toContain('BatchMatMul');
        expect(names).not.toContain('TsrlSelectiveLogSoftmax');
        expect(warn).toHaveBeenCalledTimes(1);
        expect(warn.mock.calls[0]?.[0]).toMatch(
          /^installFastKernels: .*TsrlSelectiveLogSoftmax.* cannot run on this wasm backend; slower operations stand in$/,
        );
        uninstallFastKernels();
        installFastKernels();
        expect(warn).toHaveBeenCalledTimes(1);
        const product = tf.tidy(() => tf.matMul(tf.tensor2d([[1, 2]]), tf.tensor2d([[3, 4]]), false, true));
        expect([...(await product.data())]).toEqual([11]);
        tf.disposeVariables();
        product.dispose();
      } finally {
        uninstallFastKernels();
        backend.wasm = own;
      }
      expect(asm).toBe(wasm()['asm']);
    },
  );

  test.runIf(onWasm)('is undone while another backend is current, the guard of the heap too', async () => {
    const guarded = wasm()['_malloc'];
    await tf.setBackend('cpu');
    uninstallFastKernels();
    await tf.setBackend('wasm');
    expect(wasm()['_malloc']).not.toBe(guarded);
    expect(tf.getKernel('TsrlTokenGradients', 'wasm')).toBeUndefined();
    installFastKernels();
    expect(wasm()['_malloc']).not.toBe(undefined);
  });

  test('asks for a backend first', () => {
    const spy = vi.spyOn(tf.engine(), 'backendName', 'get' as never).mockReturnValue('' as never);
    expect(() => installFastKernels()).toThrow(
      'installFastKernels: no tfjs backend is active yet; await tf.setBackend(…) or tf.ready() first',
    );
    spy.mockRestore();
  });
});
