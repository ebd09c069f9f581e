/**
 * Input for the RESP door as nobody's client sends it: frames that are right, nearly right, and wrong, by a seed, as many
 * as are asked for.
 */
import { encodedRequest } from './requests.ts';

export interface FuzzedFrame {
  readonly bytes: Buffer;
  /** The arguments, where the frame is a request that a door must run. */
  readonly request: readonly Buffer[] | undefined;
}

/** mulberry32: 32 bits of state are enough for input, and every frame can be found again by seed and number. */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b_79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const names = ['GET', 'set', 'MGET', 'ping', 'DEL', 'nothing', 'CLIENT', 'command', 'hello', 'MSET', ''];
const lengths = [
  '-1',
  '-0',
  '00',
  '+1',
  '1e3',
  '9223372036854775808',
  '18446744073709551616',
  '2147483648',
  '',
  ' 1',
  'a',
];

/** Endless frames, the same for the same seed. */
export function* fuzzedFrames(seed: number): Generator<FuzzedFrame, never> {
  const random = randomNumbers(seed);
  const below = (count: number): number => Math.floor(random() * count);
  const one = <Item>(items: readonly Item[]): Item => items[below(items.length)]!;
  const bytes = (countMax: number): Buffer => Buffer.from(Array.from({ length: below(countMax) }, () => below(256)));
  const request = (): Buffer[] => [Buffer.from(one(names)), ...Array.from({ length: below(5) }, () => bytes(40))];
  const wrong: readonly (() => Buffer)[] = [
    () => bytes(64),
    () => Buffer.from(`*${one(lengths)}\r\n`),
    () => Buffer.from(`*1\r\n$${one(lengths)}\r\n`),
    () => Buffer.concat([Buffer.from('*2\r\n'), bytes(16)]),
    () => Buffer.from(`get "${'x'.repeat(below(30))}\r\n`),
    () => {
      const frame = encodedRequest(request());
      frame[below(frame.byteLength)] = below(256);
      return frame;
    },
    () => encodedRequest(request()).subarray(0, below(20)),
  ];
  for (;;) {
    if (random() < 0.7) {
      const args = request();
      yield { bytes: encodedRequest(args), request: args };
    } else {
      yield { bytes: one(wrong)(), request: undefined };
    }
  }
}
