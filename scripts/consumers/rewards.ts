import { logComplement } from '@tsrl/rewards';

const reward = logComplement({ cap: 5 });

const undecided = reward({ action: 1, label: 1, logit: 0 });
if (Math.abs(undecided - Math.log(2)) > 1e-15) {
  throw new Error(`an undecided right answer must earn log 2; got ${undecided}`);
}
const confidentlyWrong = reward({ action: 0, label: 1, logit: -100 });
if (confidentlyWrong !== -5) {
  throw new Error(`a confident wrong answer must lose the cap; got ${confidentlyWrong}`);
}
