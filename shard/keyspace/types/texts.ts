/** Arguments and replies as the latin1 strings that collections keep. */

export function textOf(bytes: Buffer): string {
  return bytes.toString('latin1');
}

export function bytesOf(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

export function bytesOrNil(text: string | undefined): Buffer | null {
  return text === undefined ? null : bytesOf(text);
}

/** About what these arguments take in the log. */
export function bytesOfArguments(args: readonly Buffer[]): number {
  return args.reduce((sum, argument) => sum + argument.byteLength + 8, 64);
}
