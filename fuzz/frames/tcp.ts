/** The binary protocol of typed values: `command(1) length(4) payload`, with values nested, cut and claimed. */
import { u16 } from '../../doors/tcp/testing/raw-client.ts';
import { Dice } from './random.ts';

const commands = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17];
const claims = [0xffff_ffff, 0x8000_0000, 64 * 1024 * 1024 + 1, 64 * 1024 * 1024];

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function* tcpFrames(seed: number): Generator<Buffer, never> {
  const dice = new Dice(seed);
  const key = (): Buffer => {
    const bytes = dice.percent(90) ? Buffer.from(`key-${dice.below(20)}`) : dice.bytes(300);
    return Buffer.concat([u16(dice.percent(97) ? bytes.byteLength : dice.below(65_536)), bytes]);
  };
  const text = (bytes: Buffer): Buffer => Buffer.concat([u32(bytes.byteLength), bytes]);
  const count = (items: number): Buffer => u32(dice.percent(95) ? items : dice.one(claims));
  const value = (depth: number): Buffer => {
    const tag = dice.percent(97) ? dice.below(9) : dice.below(256);
    return Buffer.concat([Buffer.from([tag]), data(tag, depth)]);
  };
  const data = (tag: number, depth: number): Buffer => {
    const items = depth === 0 ? 0 : dice.below(4);
    if (tag === 1 || tag === 2) return Buffer.concat([u32(dice.below(2 ** 32)), u32(dice.below(2 ** 32))]);
    if (tag === 3) return Buffer.concat([u16(4), Buffer.from(dice.one(['1.25', '-0.5', 'x.yz', '1e+9']))]);
    if (tag === 4 || tag === 5) return text(dice.percent(80) ? Buffer.from('text') : dice.bytes(40));
    if (tag === 6) return Buffer.concat([count(items), ...Array.from({ length: items }, () => value(depth - 1))]);
    if (tag === 7) {
      const members = Array.from({ length: items }, () => Buffer.concat([key(), value(depth - 1)]));
      return Buffer.concat([count(items), ...members]);
    }
    return tag === 8 ? Buffer.from([dice.below(3)]) : Buffer.alloc(0);
  };
  /** A list in lists as deep as a payload of some kilobytes gets. */
  const bomb = (): Buffer => {
    const lists = Array.from({ length: dice.below(2_000) }, () => Buffer.concat([Buffer.from([6]), u32(1)]));
    return Buffer.concat([key(), u32(0), u32(0), ...lists, Buffer.from([0])]);
  };
  const parts = [key, () => value(3), () => u32(0), () => u16(dice.below(4)), () => dice.bytes(12)];
  const payload = (command: number): Buffer => {
    if (dice.percent(5)) return bomb();
    if (command === 2 || command === 10) return Buffer.concat([key(), u32(0), u32(0), value(3)]);
    if (command === 1 || command === 3 || command === 4) return key().subarray(2);
    return Buffer.concat(Array.from({ length: dice.below(5) }, () => dice.one(parts)()));
  };
  for (;;) {
    const command = dice.percent(95) ? dice.one(commands) : dice.below(256);
    const body = payload(command);
    const length = dice.percent(96) ? body.byteLength : dice.one(claims);
    const frame = Buffer.concat([Buffer.from([command]), u32(length), body]);
    yield dice.percent(85) ? frame : dice.spoilt(frame);
  }
}
