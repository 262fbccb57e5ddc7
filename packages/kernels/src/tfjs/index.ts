export { installFastKernels, uninstallFastKernels } from './install.js';
