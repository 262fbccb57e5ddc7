// What Node lacks: `@tensorflow/tfjs-core` loads a bundle there that registers no gradients, and some gradients call
// chained methods. Bundlers take these modules as they are; for Node the build inlines them (see tsup.config.ts).
// The order matters: tfjs-core defines flags that its gradient modules read.
import '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-core/dist/register_all_gradients.js';
import '@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops.js';
