import { type Html, trusted } from '../report/html.js';

/** What the page of a study has beyond the report of a run: heat tables, folds, prose. */
export const studyStyle: Html = trusted(`
body { max-width: 76rem; }
main > h1 { font-size: 1.5rem; color: var(--ink); }
ul, ol, blockquote { max-width: 46rem; }
pre { padding: .75rem 1rem; border: 1px solid var(--rule); overflow-x: auto; font-size: .85rem; }
code { font-size: .9em; }
a { color: inherit; }
.study td { text-align: right; padding: .25rem .75rem; }
.study thead th { padding: .3rem .75rem; text-align: right; }
.study thead th:first-child, .study tbody th { text-align: left; padding-left: 0; }
.study tbody th { min-width: 9rem; max-width: 26rem; }
.study tbody th code { white-space: nowrap; }
.study .high { background: rgb(var(--right) / calc(var(--share) * 45%)); }
.study .low { background: rgb(var(--wrong) / calc(var(--share) * 45%)); }
.study td { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
details { margin: 1rem 0; }
summary { cursor: pointer; font-weight: 600; }
@media print {
  details:not([open]) { display: none; }
  .made > p { break-after: auto; }
  .made > p:has(+ .wide) { break-after: avoid; }
  table.study { break-inside: auto; font-size: 8pt; }
  .study td, .study thead th { padding: .15rem .4rem; }
}
`);
