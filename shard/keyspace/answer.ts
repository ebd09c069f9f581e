/** A result at once, or a promise of it: a hit in RAM makes no promise. */
export type Answer<Result> = Result | Promise<Result>;

/** `transform` of the answer, at once if the answer is. */
export function andThen<Result, Next>(answer: Answer<Result>, transform: (result: Result) => Next): Answer<Next> {
  return answer instanceof Promise ? answer.then(transform) : transform(answer);
}

/** All answers in order, at once if all are. */
export function allOf<Result>(answers: readonly Answer<Result>[]): Answer<Result[]> {
  if (!answers.some((answer) => answer instanceof Promise)) return answers as Result[];
  return Promise.all(answers.map(async (answer) => answer));
}
