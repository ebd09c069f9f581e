/**
 * Certificates for tests, made on the spot: authorities, servers, clients, expired ones.
 *
 * node:crypto signs but makes no X.509, and no test should need openssl on the machine or a private key in the
 * repository. What TLS needs of RFC 5280 is little: a version 3 certificate with an ECDSA P-256 key, a name, a time,
 * and four extensions, in DER:
 *
 *   Certificate ::= SEQUENCE { tbsCertificate, ecdsa-with-SHA256, BIT STRING signature }
 *   tbsCertificate ::= SEQUENCE { [0] version, serial, algorithm, issuer, validity, subject, public key, [3] extensions }
 */
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';

/** Certificate and private key in PEM. */
export interface TestIdentity {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateOptions {
  /** Host names and IPv4 addresses that a server answers to. Default: localhost and 127.0.0.1. */
  readonly names?: readonly string[];
  /** When the validity ends, from now; negative for a certificate that has expired. Default: a day. */
  readonly validForMs?: number;
}

const dayMs = 86_400_000;

export class TestAuthority {
  /** In PEM. */
  readonly cert: string;
  readonly #name: string;
  readonly #key: KeyObject;
  readonly #keyId: Buffer;

  constructor(name = 'kvcache test authority') {
    this.#name = name;
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.#key = privateKey;
    this.#keyId = keyIdOf(publicKey);
    this.cert = this.#signed(name, publicKey, dayMs, [
      extension(oids.basicConstraints, sequence(boolean(true)), true),
      extension(oids.keyUsage, bits(0b0000_0110, 1), true),
    ]);
  }

  /** A certificate that is good for a server and for a client of this common name. */
  issue(commonName: string, options: CertificateOptions = {}): TestIdentity {
    const { names = ['localhost', '127.0.0.1'], validForMs = dayMs } = options;
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const cert = this.#signed(commonName, publicKey, validForMs, [
      extension(oids.keyUsage, bits(0b1000_0000, 7), true),
      extension(oids.extendedKeyUsage, sequence(oid(oids.serverAuth), oid(oids.clientAuth))),
      extension(oids.subjectAltName, sequence(...names.map(alternativeName))),
    ]);
    return { cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }) };
  }

  #signed(commonName: string, publicKey: KeyObject, validForMs: number, extensions: readonly Buffer[]): string {
    const now = Date.now();
    const from = Math.min(now, now + validForMs) - dayMs;
    const keys = [
      extension(oids.subjectKeyIdentifier, octets(keyIdOf(publicKey))),
      extension(oids.authorityKeyIdentifier, sequence(tagged(0x80, this.#keyId))),
    ];
    const body = sequence(
      tagged(0xa0, integer(Buffer.from([2]))),
      integer(Buffer.concat([Buffer.from([1]), randomBytes(15)])),
      algorithm(),
      nameOf(this.#name),
      sequence(utcTime(from), utcTime(now + validForMs)),
      nameOf(commonName),
      publicKey.export({ type: 'spki', format: 'der' }),
      tagged(0xa3, sequence(...extensions, ...keys)),
    );
    const signature = sign('sha256', body, this.#key);
    return pem(sequence(body, algorithm(), tagged(0x03, Buffer.concat([Buffer.from([0]), signature]))));
  }
}

export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** Writes an identity and an authority as a Kubernetes Secret names them; answers the paths. */
export function writeTlsFiles(folder: string, { cert, key }: TestIdentity, ca: string): TlsFiles {
  mkdirSync(folder, { recursive: true });
  const paths = { cert: join(folder, 'tls.crt'), key: join(folder, 'tls.key'), ca: join(folder, 'ca.crt') };
  writeFileSync(paths.cert, cert);
  writeFileSync(paths.key, key);
  writeFileSync(paths.ca, ca);
  return paths;
}

const oids = {
  commonName: '2.5.4.3',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const;

function tagged(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const head = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...head]), content]);
}

function sequence(...items: readonly Buffer[]): Buffer {
  return tagged(0x30, Buffer.concat(items));
}

function integer(bytes: Buffer): Buffer {
  return tagged(0x02, bytes);
}

function boolean(value: boolean): Buffer {
  return tagged(0x01, Buffer.from([value ? 0xff : 0]));
}

function octets(bytes: Buffer): Buffer {
  return tagged(0x04, bytes);
}

/** One byte of flags, of which the last `unused` are none. */
function bits(flags: number, unused: number): Buffer {
  return tagged(0x03, Buffer.from([unused, flags]));
}

function oid(dotted: string): Buffer {
  const [first, second, ...rest] = dotted.split('.').map(Number) as [number, number, ...number[]];
  const bytes = rest.flatMap((part) => {
    const digits = [part & 0x7f];
    for (let left = part >>> 7; left > 0; left >>>= 7) digits.unshift((left & 0x7f) | 0x80);
    return digits;
  });
  return tagged(0x06, Buffer.from([first * 40 + second, ...bytes]));
}

function algorithm(): Buffer {
  return sequence(oid(oids.ecdsaWithSha256));
}

function nameOf(commonName: string): Buffer {
  return sequence(tagged(0x31, sequence(oid(oids.commonName), tagged(0x0c, Buffer.from(commonName)))));
}

function alternativeName(name: string): Buffer {
  if (isIP(name) === 4) return tagged(0x87, Buffer.from(name.split('.').map(Number)));
  return tagged(0x82, Buffer.from(name, 'latin1'));
}

function extension(id: string, value: Buffer, critical = false): Buffer {
  return sequence(oid(id), ...(critical ? [boolean(true)] : []), octets(value));
}

/** YYMMDDhhmmssZ */
function utcTime(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  return tagged(0x17, Buffer.from(digits.slice(2), 'latin1'));
}

function keyIdOf(publicKey: KeyObject): Buffer {
  return createHash('sha1')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest();
}

function pem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g)!;
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
