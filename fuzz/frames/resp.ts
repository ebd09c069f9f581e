/**
 * RESP: small frames of every kind (doors/resp/testing/frames.ts), and among them values so large that a router passes
 * them on while they arrive: whole, cut, of another length than they say, without their line end, behind a key that is
 * refused.
 */
import { fuzzedFrames } from '../../doors/resp/testing/frames.ts';
import { encodedRequest } from '../../doors/resp/testing/requests.ts';
import { keyBytesMax, linkUploadBytesMin } from '../../limits.ts';
import { Dice } from './random.ts';

/** Of a thousand frames. */
const largePerThousand = 4;

export function* respFrames(seed: number): Generator<Buffer, never> {
  const frames = fuzzedFrames(seed);
  const dice = new Dice(seed + 1);
  for (;;) {
    yield dice.below(1_000) < largePerThousand ? large(dice) : frames.next().value.bytes;
  }
}

function large(dice: Dice): Buffer {
  const key = (): Buffer => Buffer.from(`large-${dice.below(8)}`);
  const value = (): Buffer => Buffer.alloc(linkUploadBytesMin + dice.below(2 * linkUploadBytesMin), dice.below(256));
  const set = (...rest: Buffer[]): Buffer => encodedRequest([Buffer.from('SET'), key(), value(), ...rest]);
  const kinds: readonly (() => Buffer)[] = [
    () => set(),
    () => set(Buffer.from('NX')),
    () => set(Buffer.from('EX'), Buffer.from('soon')),
    () => encodedRequest([Buffer.from('MSET'), key(), value(), key(), value()]),
    () => encodedRequest([Buffer.from('SET'), Buffer.alloc(keyBytesMax + 1), value()]),
    () => encodedRequest([Buffer.from('nothing'), key(), value()]),
    () => set().subarray(0, dice.below(linkUploadBytesMin)),
    () => {
      const frame = set();
      frame.fill('x', frame.byteLength - 2);
      return frame;
    },
    () => Buffer.concat([set().subarray(0, -dice.below(1_000)), Buffer.from('*1\r\n$4\r\nPING\r\n')]),
  ];
  return dice.one(kinds)();
}
