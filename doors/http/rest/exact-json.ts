/**
 * JSON as part of an answer. What `parseExact` gives is written by JSON.stringify with the digits that each number came
 * with, which a number of JavaScript does not have for integers beyond 2^53.
 */

/** Source: ECMAScript, JSON.parse source text access; Node has it, TypeScript does not declare it yet. */
const exact = JSON as unknown as {
  parse(text: string, revive: (key: string, value: unknown, context: { readonly source?: string }) => unknown): unknown;
  rawJSON(text: string): unknown;
};

export function parseExact(json: string): unknown {
  return exact.parse(json, (_, value, { source }) => {
    const isExact = typeof value !== 'number' || source === undefined || String(value) === source;
    return isExact ? value : exact.rawJSON(source);
  });
}
