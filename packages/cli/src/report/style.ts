import { type Html, trusted } from './html.js';

/** One column on a screen, A4 on paper; dark where the reader wants it, never on paper. */
export const style: Html = trusted(`
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --rule: #d0d7de; --paper: #fff; --right: 0 114 178; --wrong: 213 94 0; }
@media screen and (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --soft: #a3acb6; --rule: #3a424b; --paper: #14171b; }
  figure svg [stroke='#0072B2'] { stroke: #2e8fd0; }
  figure svg [fill='#0072B2'] { fill: #2e8fd0; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.5rem; max-width: 62rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums; }
h1 { font-size: 1.1rem; font-weight: 600; margin: 0; color: var(--soft); }
h2 { font-size: 1.25rem; margin: 2.75rem 0 1rem; padding-top: .75rem; border-top: 1px solid var(--rule); }
h3 { font-size: 1rem; margin: 2rem 0 .5rem; }
p { max-width: 46rem; margin: .5rem 0; }
.headline { font-size: 1.6rem; line-height: 1.3; font-weight: 600; margin: .5rem 0 1rem; max-width: none; text-wrap: pretty; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)); gap: 2rem 2.5rem; align-items: start; }
figure { margin: 0; min-width: 0; max-width: 34rem; break-inside: avoid; }
figure svg { display: block; width: 100%; height: auto; }
figcaption { margin-top: .5rem; font-size: .875rem; line-height: 1.4; color: var(--soft); }
figcaption b { color: var(--ink); }
.empty { padding: 3rem 0; text-align: center; border: 1px dashed var(--rule); color: var(--soft); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { padding: .3rem 1.5rem .3rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--rule); }
thead th { border-bottom: 2px solid var(--ink); vertical-align: bottom; }
tbody th { font-weight: 500; }
th small, td small { display: block; font-size: .8rem; font-weight: 400; color: var(--soft); }
tbody th small { display: inline; margin-left: .6em; }
.confusion th small { display: block; margin: 0; }
.settings { overflow-wrap: anywhere; }
.settings .group th { padding-top: .9rem; font-weight: 600; }
.settings .member th { padding-left: 1.25rem; }
.confusion { width: 100%; table-layout: fixed; }
.confusion th, .confusion td { border: 0; padding: .5rem; text-align: center; vertical-align: middle; }
.confusion tbody td { font-size: 1.3rem; padding: 1.2rem .5rem; border: 2px solid var(--paper); print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.confusion .right { background: rgb(var(--right) / calc(var(--share) * 45%)); }
.confusion .wrong { background: rgb(var(--wrong) / calc(var(--share) * 45%)); }
.confusion tbody td small { color: inherit; }
footer { margin-top: 3rem; font-size: .8rem; color: var(--soft); }
@page { size: A4; margin: 14mm; }
@media print {
  :root { color-scheme: light; font-size: 9.5pt; }
  body { padding: 0; max-width: none; }
  .figures { grid-template-columns: 1fr 1fr; gap: 6mm 8mm; }
  .wide { overflow: visible; }
  h2, h3, section > p, .group { break-after: avoid; }
  p, tr, table:not(.settings) { break-inside: avoid; }
}
`);
