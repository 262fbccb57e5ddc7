import { type BinaryPpo, binaryPpo, type Supervised, supervised } from '@tsrl/binary-ppo';
import type { TrainSettings } from './settings.js';

/** The method that the settings ask for. */
export function makeMethod(settings: Pick<TrainSettings, 'method' | 'actions' | 'baseline'>): BinaryPpo | Supervised {
  const { method, actions, baseline } = settings;
  return method === 'sft' ? supervised() : binaryPpo({ actions, baseline });
}
