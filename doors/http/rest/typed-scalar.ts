/**
 * The scalars of the binary protocol, written as HTTP shows them: numbers in decimal, `true` or `false`, text. So a value
 * that was read as text is written back as the kind that it was.
 *
 * Lists and maps have no such form: JSON does not tell an Int from a Float or a Decimal from a String.
 */
import { int64Body, parseInt64 } from '../../../commands/int64.ts';
import { parseFiniteText } from '../../../commands/score.ts';
import { storedTypes } from '../../../commands/stored-type.ts';
import { typedFault } from '../../../commands/typed-value.ts';

/** By the names that KEY.INFO tells; `bytes` is what every door but the binary protocol's writes. */
export const scalarTypes = ['bytes', 'text', 'int', 'float', 'decimal', 'bool', 'null'] as const;
export type ScalarType = (typeof scalarTypes)[number];

/** What each type is written as, for the fault of a text that is none. */
export const scalarForms: Readonly<Record<ScalarType, string>> = {
  bytes: 'any bytes',
  text: 'UTF-8',
  int: 'an integer of 64 bits',
  float: 'a number, inf, -inf or nan',
  decimal: 'a decimal number',
  bool: 'true or false',
  null: 'nothing',
};

const bodies: Readonly<Record<ScalarType, (written: Buffer) => Buffer | undefined>> = {
  bytes: (written) => written,
  text: (written) => written,
  decimal: (written) => written,
  int: (written) => {
    const value = parseInt64(written);
    return value === undefined ? undefined : int64Body(value);
  },
  float: (written) => {
    const text = written.toString('latin1');
    const value = text === 'nan' ? NaN : parseFiniteText(text);
    if (value === undefined) return undefined;
    const body = Buffer.allocUnsafe(8);
    body.writeDoubleBE(value);
    return body;
  },
  bool: (written) => {
    const text = written.toString('latin1');
    return text === 'true' || text === 'false' ? Buffer.of(text === 'true' ? 1 : 0) : undefined;
  },
  null: (written) => (written.byteLength === 0 ? written : undefined),
};

/** The value's body as it is stored under its type, or undefined where the text is none of that type. */
export function scalarBody(type: ScalarType, written: Buffer): Buffer | undefined {
  const body = bodies[type](written);
  return body === undefined || typedFault(storedTypes[type], body) !== undefined ? undefined : body;
}
