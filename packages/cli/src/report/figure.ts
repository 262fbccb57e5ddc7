import { type Html, html } from './html.js';

/** A figure with a title and one sentence on how to read it. */
export const figure = (title: string, reading: string, content: Html): Html =>
  html`<figure>${content}<figcaption><b>${title}.</b> ${reading}</figcaption></figure>
`;
