/**
 * Requests as a chat service gets them: a few long system prompts that everybody shares, and conversations whose every turn
 * repeats all turns before it. That is why prefix caching pays: most tokens of a prompt have been computed before, often
 * by another replica.
 *
 *   prompt = system prompt ‖ turn 1 ‖ answer 1 ‖ … ‖ turn n
 *
 * Tokens are made from names alone, so that all replicas, and the same one after a restart, mean the same prompts.
 */
import { hash } from 'node:crypto';

export interface Request {
  readonly id: string;
  readonly tokens: readonly number[];
}

export interface TrafficShape {
  readonly systemPrompts: number;
  readonly systemTokens: number;
  readonly conversations: number;
  readonly turnTokens: number;
  /** A conversation that has had so many turns begins anew. */
  readonly turnsMax: number;
}

export const defaultShape: TrafficShape = {
  systemPrompts: 4,
  systemTokens: 2_048,
  conversations: 32,
  turnTokens: 300,
  turnsMax: 12,
};

const vocabulary = 50_000;

/** Pseudo-random tokens that follow from a name. */
export function tokensOf(name: string, count: number): number[] {
  const tokens: number[] = [];
  for (let round = 0; tokens.length < count; round++) {
    const bytes = hash('sha256', `${name}/${round}`, 'buffer');
    for (let offset = 0; offset < bytes.byteLength && tokens.length < count; offset += 4) {
      tokens.push(bytes.readUInt32BE(offset) % vocabulary);
    }
  }
  return tokens;
}

/** Endless requests; `random` is a number from 0 to 1 each time, as of Math.random. */
export class Traffic {
  readonly #shape: TrafficShape;
  readonly #random: () => number;
  readonly #turns: number[];

  constructor(shape: TrafficShape = defaultShape, random: () => number = Math.random) {
    this.#shape = shape;
    this.#random = random;
    this.#turns = Array.from({ length: shape.conversations }, () => 0);
  }

  next(): Request {
    const { systemPrompts, systemTokens, conversations, turnTokens, turnsMax } = this.#shape;
    const conversation = Math.floor(this.#random() * conversations);
    const turn = (this.#turns[conversation]! % turnsMax) + 1;
    this.#turns[conversation] = turn;
    const tokens = tokensOf(`system ${conversation % systemPrompts}`, systemTokens);
    for (let past = 1; past <= turn; past++) {
      tokens.push(...tokensOf(`conversation ${conversation}, turn ${past}`, turnTokens));
    }
    return { id: `conversation-${conversation}-turn-${turn}`, tokens };
  }
}
