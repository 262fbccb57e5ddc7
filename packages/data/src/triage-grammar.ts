import { type Grammar, leaning, oneOf } from './grammar.js';

/**
 * Messages to a support desk. Class 1 needs a person at once, class 0 is routine. The numbers are log-odds of class 1.
 *
 * Two kinds of sentence have to be read as a whole: "the checkout was down after the update" is bad news, but "down
 * before the update" and "fine after the update" are good; "this is urgent", but "this is not urgent" and "this is not
 * trivial". The state alone says little, the words before, after and not alone say nothing.
 */
interface Topic {
  /** How much the topic alone says. */
  readonly leaning: number;
  readonly things: readonly string[];
  /** How bad the news is that a thing is so now: negative for good news. */
  readonly states: Readonly<Record<string, number>>;
  readonly events: readonly string[];
}

const topics: readonly Topic[] = [
  {
    leaning: 0.2,
    things: [
      'the login page',
      'the checkout',
      'our dashboard',
      'the mobile app',
      'the booking form',
      'the search box',
      'our web shop',
      'the export tool',
    ],
    states: {
      broken: 3.4,
      down: 3.8,
      unusable: 3.6,
      'very slow': 2,
      fine: -3.2,
      working: -3.6,
      stable: -2.8,
      fast: -2.2,
    },
    events: ['the update', 'the restart', 'the migration', 'your release', 'the maintenance', "yesterday's change"],
  },
  {
    leaning: -0.3,
    things: ['my invoice', 'our bill', 'the monthly charge', 'my quote', 'the total'],
    states: { wrong: 3, 'too high': 2.6, missing: 3.4, correct: -3.2, 'as agreed': -2.6, right: -3 },
    events: ['the renewal', 'my upgrade', 'the discount', 'the refund', 'our call'],
  },
  {
    leaning: 0.3,
    things: ['my account', 'our admin account', 'my profile', 'the team account', 'my subscription'],
    states: { locked: 3.8, blocked: 3.6, suspended: 3.4, active: -3.4, 'in order': -2.8, accessible: -3.2 },
    events: ['the reset', 'the audit', 'the verification', 'the transfer', 'my trip'],
  },
  {
    leaning: -0.2,
    things: ['my parcel', 'our order', 'the shipment', 'the spare part', 'the replacement'],
    states: { lost: 3.6, damaged: 3.2, stuck: 2.6, 'on track': -3, intact: -2.8, complete: -2.6 },
    events: ['the holidays', 'the storm', 'the handover', 'the strike', 'the weekend'],
  },
];

/** News of how things were before is evidence of the opposite, but less than news of how they are. */
const past = -0.6;

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

function reportOn({ things, states, events }: Topic): Grammar {
  const thing = oneOf(things);
  const thingFirst = oneOf(things.map(capital));
  const event = oneOf(events);
  return leaning(
    Object.entries(states).flatMap(([state, badness]) =>
      (['before', 'after'] as const).map((when): [Grammar, number] => [
        oneOf([
          [thingFirst, ` was ${state} ${when} `, event, '.'],
          [`${capital(when)} `, event, ', ', thing, ` was ${state}.`],
        ]),
        (when === 'after' ? 1 : past) * badness,
      ]),
    ),
  );
}

const report: Grammar = leaning(topics.map((topic) => [reportOn(topic), topic.leaning]));

/** How grave it is to be so, and how much of it the verb leaves. */
const qualities: Readonly<Record<string, number>> = {
  urgent: 3.2,
  critical: 3,
  serious: 2.6,
  alarming: 2.4,
  'an emergency': 3.4,
  'a blocker': 2.8,
  minor: -2.6,
  trivial: -3,
  routine: -3,
  harmless: -3.2,
  'good news': -2.6,
  'old news': -2.2,
};
const verbs: Readonly<Record<string, number>> = {
  is: 1,
  'is clearly': 1.15,
  'is probably': 0.7,
  'is not': -0.7,
  'is certainly not': -0.8,
  'is hardly': -0.5,
};

const verdict: Grammar = [
  oneOf(['This ', 'It ', 'That ']),
  leaning(
    Object.entries(qualities).flatMap(([quality, gravity]) =>
      Object.entries(verbs).map(([verb, share]): [Grammar, number] => [`${verb} ${quality}.`, share * gravity]),
    ),
  ),
];

const circumstance: Grammar = leaning([
  ['We are losing orders.', 2.8],
  ['Nobody here can work.', 2.8],
  ['Our customers are waiting.', 2.2],
  ['Our deadline is tonight.', 2.2],
  ['We open in an hour.', 1.9],
  ['A demo starts soon.', 1.6],
  ['My boss wants answers.', 1.4],
  ['I have tried everything.', 1],
  ['I read about it.', -1],
  ['I only noticed it today.', -1.2],
  ['A colleague mentioned it.', -1.6],
  ['I was just testing things.', -1.9],
  ['We are closed this week.', -2.2],
  ['It is for my notes.', -2.2],
  ['Nothing here depends on it.', -2.8],
  ['I am just curious.', -2.8],
]);

const request: Grammar = leaning([
  ['Please hurry.', 2],
  ['Please call me now.', 1.8],
  ['Please help today.', 1.3],
  ['Can somebody look?', 0.5],
  ['Can you check?', 0],
  ['Please advise.', 0],
  ['Let me know.', -0.5],
  ['Whenever you have time.', -1.5],
  ['Just for your information.', -1.7],
  ['No reply needed.', -1.9],
]);

const greeting: Grammar = oneOf(['Hi! ', 'Hello! ', 'Hi there! ', 'Hello team! ', 'Good morning! ', 'Good evening! ']);

const names = ['Anna', 'Ben', 'Carla', 'David', 'Elif', 'Femi', 'Grace', 'Hugo', 'Ines', 'Jonas', 'Mei', 'Omar'];
const signature: Grammar = [oneOf([' Thanks, ', ' Best, ', ' Cheers, ', ' Regards, ']), oneOf(names)];

/** The whole message: which parts it has says nothing, what they say does. */
export const triageGrammar: Grammar = oneOf([
  [report, ' ', verdict, ' ', request],
  [report, ' ', circumstance, ' ', verdict],
  [circumstance, ' ', report, ' ', request],
  [verdict, ' ', report, signature],
  [greeting, report, ' ', circumstance],
  [greeting, circumstance, ' ', verdict, ' ', request],
  [report, ' ', circumstance, ' ', request, signature],
]);
