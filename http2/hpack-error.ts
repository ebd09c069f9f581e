/** A header block that cannot be decoded. The tables of both ends are no longer known to agree: COMPRESSION_ERROR. */
export class HpackError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'HpackError';
  }
}
