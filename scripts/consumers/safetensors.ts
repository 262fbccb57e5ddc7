import { parseSafetensors } from '@tsrl/safetensors';

// A file by hand: the length of the header, the header, and the two numbers 1 and 2 as bfloat16.
const header = new TextEncoder().encode('{"w":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}');
const file = new Uint8Array(8 + header.length + 4);
file[0] = header.length;
file.set(header, 8);
file.set([0x80, 0x3f, 0x00, 0x40], 8 + header.length);

const { shape, data } = parseSafetensors(file, 'by-hand.safetensors').read('w');
if (shape.join() !== '2' || data.join() !== '1,2') {
  throw new Error(`w must be [1, 2] of shape [2]; got [${data}] of shape [${shape}]`);
}
