/**
 * Executors answer at once where they can. This goes on with an answer without making a promise of one that is there.
 */
export function settle<Value, Result>(
  value: Value | Promise<Value>,
  continueWith: (value: Value) => Result,
): Result | Promise<Awaited<Result>> {
  return value instanceof Promise
    ? (value.then((settled) => continueWith(settled)) as Promise<Awaited<Result>>)
    : continueWith(value);
}
