/** What every gRPC tool expects of a server: grpc.health.v1, and reflection v1 and v1alpha for grpcurl and the like. */
import { readFileSync } from 'node:fs';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import type { Server } from '@grpc/grpc-js';
import type { PackageDefinition } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation } from 'grpc-health-check';
import type { GrpcServer } from '../../grpc/server.ts';

const internalPackage = 'kvcache.link';
const reflectionServices = ['grpc.reflection.v1.ServerReflection', 'grpc.reflection.v1alpha.ServerReflection'];
const descriptorsUrl = new URL('../../protos/generated/descriptors.binpb', import.meta.url);

/** Both packages want no more of a server than `addService`. */
function asGrpcJs(server: Pick<GrpcServer, 'addService'>): Server {
  return server as unknown as Server;
}

/**
 * Answers for the whole server ('') and each service; all begin as NOT_SERVING. What the process says of itself
 * (`isHealthy`) is looked at whenever somebody asks: a process that only a new one can help serves nothing.
 */
export class HealthService {
  readonly #health: HealthImplementation;
  readonly #names: readonly string[];
  readonly #isHealthy: () => boolean;
  #isOpen = false;
  #isShown = false;

  constructor(server: GrpcServer, services: readonly string[], isHealthy: () => boolean = () => true) {
    this.#isHealthy = isHealthy;
    this.#names = ['', ...services];
    this.#health = new HealthImplementation(Object.fromEntries(this.#names.map((name) => [name, 'NOT_SERVING'])));
    this.#health.addToServer(asGrpcJs(this.#looking(server)));
  }

  get serving(): boolean {
    return this.#isOpen && this.#isHealthy();
  }

  /** Whether the process takes calls. */
  set serving(serving: boolean) {
    this.#isOpen = serving;
    this.#show();
  }

  /** `server` with methods that look before they answer. */
  #looking(server: GrpcServer): Pick<GrpcServer, 'addService'> {
    return {
      addService: (definition, implementation) => {
        const looking = Object.entries(implementation).map(([name, handle]) => [
          name,
          (...args: unknown[]): unknown => {
            this.#show();
            return (handle as (...args: unknown[]) => unknown)(...args);
          },
        ]);
        server.addService(definition, Object.fromEntries(looking));
      },
    };
  }

  #show(): void {
    const { serving } = this;
    if (serving === this.#isShown) return;
    this.#isShown = serving;
    for (const name of this.#names) this.#health.setStatus(name, serving ? 'SERVING' : 'NOT_SERVING');
  }
}

/** Describes these services, and none that is internal though its contract lies beside theirs. */
export function addReflection(server: GrpcServer, services: readonly string[]): void {
  const fileDescriptorProtos = filesOf(readFileSync(descriptorsUrl)).filter(
    (file) => packageOf(file) !== internalPackage,
  );
  // The package reads no more of a definition than its files.
  const definition = { all: { fileDescriptorProtos } } as unknown as PackageDefinition;
  new ReflectionService(definition, { services: [...services, ...reflectionServices] }).addToServer(asGrpcJs(server));
}

/** The FileDescriptorProtos of a FileDescriptorSet: its field 1, repeated. */
function filesOf(descriptorSet: Buffer): Buffer[] {
  return delimitedFields(descriptorSet, 1);
}

/** `package`: field 2 of a FileDescriptorProto. */
function packageOf(file: Buffer): string {
  return delimitedFields(file, 2)[0]?.toString('utf8') ?? '';
}

function delimitedFields(message: Buffer, wanted: number): Buffer[] {
  const found: Buffer[] = [];
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === wanted && wireType === WireType.LengthDelimited) found.push(Buffer.from(reader.bytes()));
    else reader.skip(wireType, field);
  }
  return found;
}
