import { fitTextClassifier, textClassifier } from '@tsrl/linear';

const texts = ['win a prize', 'claim your prize', 'tea at five', 'see you at tea'];
const model = fitTextClassifier({ texts, labels: [1, 1, 0, 0] }, { inverseRegularization: 10 });
const [prize = 0, tea = 1] = textClassifier(model)(['your prize', 'more tea']);

if (!(prize > 0.5 && tea < 0.5)) {
  throw new Error(`prize must be more likely of class 1 than tea; got ${prize} and ${tea}`);
}
