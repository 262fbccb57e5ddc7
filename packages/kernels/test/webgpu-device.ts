import { create, globals } from 'webgpu';

/**
 * Gives Node what the webgpu backend looks for, before it is imported: `navigator.gpu`, which is Dawn over Vulkan. Where
 * VK_ICD_FILENAMES names no other driver, that is the SwiftShader of Debian's chromium, which computes on the processor.
 */
export function openDevice(): void {
  process.env['VK_ICD_FILENAMES'] ??= '/usr/lib/chromium/vk_swiftshader_icd.json';
  Object.assign(globalThis, globals);
  const navigator = { gpu: create([]) };
  Object.defineProperty(globalThis, 'navigator', { value: navigator, configurable: true });
}
