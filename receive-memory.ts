/** Where doors and links get memory for what is received and may be kept. */
export interface ReceiveMemory {
  /** A buffer of so many bytes, its content undefined, that shares its memory with nobody. It need not be given back. */
  take(bytes: number): Buffer;
  /** The caller is done with a buffer that was taken here, or somewhere else, and nobody else has seen it. */
  giveBack(buffer: Buffer): void;
  /** Several values lie in a buffer, which go their own ways: its memory is nobody's to give back. */
  leave(buffer: Buffer): void;
}

/** New for each, and the collector's afterwards. */
export const collectedMemory: ReceiveMemory = {
  take: (bytes) => Buffer.allocUnsafeSlow(bytes),
  giveBack: () => undefined,
  leave: () => undefined,
};
