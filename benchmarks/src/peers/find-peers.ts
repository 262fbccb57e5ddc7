import { type PeerSettings, startPeer } from './server.js';

/** The version that the targets of the project speak of. */
const torchVersion = '2.13';

/**
 * What a Python has to compare with; nothing, and a sentence on standard error, where none is named.
 *
 * @throws Error, one sentence, when the Python named has no torch, or not the version compared with
 */
export async function findPeers(python: string | undefined): Promise<PeerSettings | undefined> {
  const remedy = '`pip install torch==2.13.0 trl transformers` installs it, see benchmarks/peers/README.md';
  if (python === undefined) {
    console.error(`peers: left out; it needs --python PATH, a Python with torch: ${remedy}`);
    return undefined;
  }
  const peer = await startPeer(python, 'default');
  try {
    const settings = await peer.describe();
    const torch = settings.versions['torch'] ?? 'none';
    if (!torch.startsWith(`${torchVersion}.`)) {
      throw new Error(`peers: the torch of ${python} must be ${torchVersion}; got ${torch}; ${remedy}`);
    }
    return settings;
  } catch (error) {
    const message = (error as Error).message;
    if (/No module named '(torch|numpy)'/.test(message)) {
      throw new Error(`peers: ${python} must have torch ${torchVersion} and numpy; got ${message}; ${remedy}`);
    }
    throw error;
  } finally {
    await peer.end();
  }
}
