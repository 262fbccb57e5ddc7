import { type Heap, instantiateGemm } from '@tsrl/kernels';

const memory = new WebAssembly.Memory({ initial: 32 });
let next = 8;
const heap: Heap = {
  memory,
  allocate(bytes) {
    const address = next;
    next += Math.ceil(bytes / 8) * 8;
    return address;
  },
  free() {},
};
const gemm = instantiateGemm(heap);

const address = heap.allocate(48);
new Float32Array(memory.buffer, address, 12).set([1, 2, 3, 4, 5, 6, 7, 8]);
gemm({
  a: { address, rowStride: 2, columnStride: 1, batchStride: 0 },
  b: { address: address + 16, rowStride: 1, columnStride: 2, batchStride: 0 }, // the transpose of [5 6; 7 8]
  out: address + 32,
  batch: 1,
  m: 2,
  k: 2,
  n: 2,
});
const product = [...new Float32Array(memory.buffer, address + 32, 4)];
if (product.join() !== '17,23,39,53') throw new Error(`the product must be 17, 23, 39, 53; got ${product}`);
