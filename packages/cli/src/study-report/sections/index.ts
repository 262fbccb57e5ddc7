import type { Analysis } from '../analysis.js';
import type { Section } from '../part.js';
import { rolesOf } from '../roles.js';
import { ablations } from './ablations.js';
import { aggregates } from './aggregates.js';
import { calibration } from './calibration.js';
import { curves } from './curves.js';
import { differences } from './differences.js';
import { failures } from './failures.js';
import { scores } from './scores.js';
import { sets } from './sets.js';
import { settings } from './settings.js';
import { summary } from './summary.js';
import { targetsSection } from './targets-section.js';

/**
 * The page of a track, in the order of a reader's questions. The main one has the targets; what the others make is told
 * apart by their name.
 */
export function sectionsOf(analysis: Analysis, main: boolean): Section[] {
  const roles = rolesOf(analysis);
  const { name } = analysis.track;
  const prefix = `${name}-`;
  const sections = [
    summary(analysis, roles),
    ...(main ? [targetsSection(analysis, roles)] : []),
    scores(analysis),
    differences(analysis, roles, prefix),
    ablations(analysis),
    aggregates(analysis, roles, prefix),
    sets(analysis, prefix),
    curves(analysis, roles, prefix),
    calibration(analysis),
    failures(analysis),
    settings(analysis),
  ].filter((section) => section !== null);
  return sections.map((section) => ({
    ...section,
    name: `${prefix}${section.name}`,
    title: main ? section.title : `${name}: ${section.title.charAt(0).toLowerCase()}${section.title.slice(1)}`,
  }));
}
