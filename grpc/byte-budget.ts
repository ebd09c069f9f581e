import { GrpcError, grpcStatus } from './status.ts';

/** Bytes in flight over all calls of a server: what was promised and what is left. */
export class ByteBudget {
  readonly bytesMax: number;
  #used = 0;
  #refused = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  get used(): number {
    return this.#used;
  }

  /** How often something did not fit. */
  get refused(): number {
    return this.#refused;
  }

  /** The status for what does not fit; counts it. */
  refusal(): GrpcError {
    this.#refused++;
    return new GrpcError(grpcStatus.RESOURCE_EXHAUSTED, 'too many bytes in flight; nothing was done, try again');
  }

  fits(bytes: number): boolean {
    return this.#used + bytes <= this.bytesMax;
  }

  /** Takes the bytes if they fit. */
  reserve(bytes: number): boolean {
    if (!this.fits(bytes)) return false;
    this.#used += bytes;
    return true;
  }

  /** Counts bytes that exist already, such as an answer: over the bound, only what comes next is refused. */
  add(bytes: number): void {
    this.#used += bytes;
  }

  release(bytes: number): void {
    this.#used -= bytes;
  }
}
