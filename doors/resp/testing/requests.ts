/** For tests: requests as clients write them. */

/** An array of bulk strings. */
export function encodedRequest(args: readonly (Buffer | string)[]): Buffer {
  const parts = args.flatMap((argument) => {
    const bytes = Buffer.from(argument as string);
    return [Buffer.from(`$${bytes.byteLength}\r\n`), bytes, Buffer.from('\r\n')];
  });
  return Buffer.concat([Buffer.from(`*${args.length}\r\n`), ...parts]);
}
