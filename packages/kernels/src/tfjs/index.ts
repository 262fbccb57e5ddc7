export { downloadInto, uploadFrom } from './host-copies.js';
export { installFastKernels, uninstallFastKernels } from './install.js';
