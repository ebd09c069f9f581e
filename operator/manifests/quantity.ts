/**
 * Kubernetes quantities as numbers: `500m`, `2Gi`, `1e3`, 1073741824.
 *
 * Only what the operator reckons with is read (bytes and processors); what is handed on to pods is handed on as it was
 * written. A double is exact to 2^53, which is 8 PiB.
 */
import type { Quantity } from '../api/field.ts';

const factors: Readonly<Record<string, number>> = {
  '': 1,
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

const pattern = /^\+?(\d+\.?\d*|\.\d+)(?:([KMGTPE]i|[numkMGTPE])|[eE]([-+]?\d+))?$/;

/** Throws RangeError for what is no quantity, which admission has refused before. */
export function quantityValue(quantity: Quantity): number {
  const match = pattern.exec(String(quantity));
  if (match === null) throw new RangeError(`${quantity} is no quantity; write one such as 500m or 2Gi`);
  const [, amount, suffix = '', exponent = '0'] = match;
  return Number(amount) * factors[suffix]! * 10 ** Number(exponent);
}

/** Whole bytes. */
export function quantityBytes(quantity: Quantity): number {
  return Math.floor(quantityValue(quantity));
}

const MiB = 2 ** 20;

/** The smallest number of MiB that is not less, such as `1472Mi`; in Gi where that is whole, as Kubernetes writes it. */
export function mebibytes(bytes: number): string {
  const mebibytes = Math.ceil(bytes / MiB);
  return mebibytes % 1024 === 0 && mebibytes > 0 ? `${mebibytes / 1024}Gi` : `${mebibytes}Mi`;
}
