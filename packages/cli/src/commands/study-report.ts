import { OptionError } from '@tsrl/core';
import type { Command } from 'commander';

interface StudyReportArguments {
  readonly out?: string;
  readonly from?: string;
}

/** Adds `tsrl study-report`. */
export function addStudyReport(tsrl: Command): void {
  tsrl
    .command('study-report')
    .description(
      'Statistics, tables and plots of studies, as Markdown and as one HTML page; what people wrote between them stays.',
    )
    .argument('[studies...]', 'directories of studies (tsrl study), whose numbers go into the evidence')
    .option('--out <dir>', 'folder of the evidence; the page stands beside it, as DIR.md and DIR.html', 'docs/evidence')
    .option('--from <dir>', 'make the page again from the numbers in this folder, without a study')
    .action((studies: readonly string[], options: StudyReportArguments) => studyReportCommand(studies, options));
}

async function studyReportCommand(
  studies: readonly string[],
  { out = 'docs/evidence', from }: StudyReportArguments,
): Promise<void> {
  if (from !== undefined && studies.length > 0) {
    throw new OptionError('tsrl study-report', '--from', 'without study directories', studies.join(' '));
  }
  if (from === undefined && studies.length === 0) {
    throw new OptionError('tsrl study-report', 'studies', 'one directory or more, or --from DIR', 'none');
  }
  const { studyReport } = await import('../study-report/study-report.js'); // half a second that other commands need not wait
  const files = studyReport({ studies, evidence: from ?? out });
  const pages = files.filter((file) => /\.(md|html|jsonl)$/.test(file));
  process.stdout.write(`${pages.join('\n')}\nand ${files.length - pages.length} plots\n`);
}
