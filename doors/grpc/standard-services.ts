/** What every gRPC tool expects of a server: grpc.health.v1, and reflection v1 and v1alpha for grpcurl and the like. */
import { readFileSync } from 'node:fs';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import type { Server } from '@grpc/grpc-js';
import { loadSync, type PackageDefinition } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation, protoPath as healthProtoPath } from 'grpc-health-check';
import type { GrpcServer } from '../../grpc/server.ts';

const descriptorsUrl = new URL('../../protos/generated/descriptors.binpb', import.meta.url);

/** Both packages want no more of a server than `addService`. */
function asGrpcJs(server: GrpcServer): Server {
  return server as unknown as Server;
}

/** Answers for the whole server ('') and each service; all begin as NOT_SERVING. */
export class HealthService {
  readonly #health: HealthImplementation;
  readonly #names: readonly string[];
  #serving = false;

  constructor(server: GrpcServer, services: readonly string[]) {
    this.#names = ['', ...services];
    this.#health = new HealthImplementation(Object.fromEntries(this.#names.map((name) => [name, 'NOT_SERVING'])));
    this.#health.addToServer(asGrpcJs(server));
  }

  get serving(): boolean {
    return this.#serving;
  }

  set serving(serving: boolean) {
    if (serving === this.#serving) return;
    this.#serving = serving;
    for (const name of this.#names) this.#health.setStatus(name, serving ? 'SERVING' : 'NOT_SERVING');
  }
}

/** Describes these services, and none that is internal though its contract lies beside theirs. */
export function addReflection(server: GrpcServer, services: readonly string[]): void {
  const ours = { fileDescriptorProtos: filesOf(readFileSync(descriptorsUrl)) };
  const known = { ours, ...loadSync(healthProtoPath) } as unknown as PackageDefinition;
  new ReflectionService(known, { services: [...services] }).addToServer(asGrpcJs(server));
}

/** The FileDescriptorProtos of a FileDescriptorSet: its field 1, repeated. */
function filesOf(descriptorSet: Buffer): Buffer[] {
  const files: Buffer[] = [];
  const reader = new BinaryReader(descriptorSet);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1 && wireType === WireType.LengthDelimited) files.push(Buffer.from(reader.bytes()));
    else reader.skip(wireType, field);
  }
  return files;
}
